"""Every model that runs: by name ours and RecBole's sequential and general ones, by ``module:Class`` anybody's.

Each is imported only when asked for.
"""

import importlib
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.plugin.own_models import is_own, module_found, module_of, own_class

__all__ = [
    "OF_A_GRAPH",
    "OURS",
    "TRAINERS",
    "is_own",
    "known_bases",
    "known_model",
    "known_models",
    "load",
    "model_class",
    "recbole_models",
    "trained_on_events",
]

OURS = {
    "CALRec": "calrec_recbole.plugin.calrec.model:CALRec",
    "LIR": "calrec_recbole.baselines.lir:LIR",
    "RecentPop": "calrec_recbole.baselines.recent_pop:RecentPop",
    "TransitionGraph": "calrec_recbole.baselines.transition_graph:TransitionGraph",
    "SASRecSampled": "calrec_recbole.baselines.sasrec_sampled:SASRecSampled",
    "BERT4RecFull": "calrec_recbole.baselines.bert4rec:BERT4RecFull",
    "FDSAText": "calrec_recbole.baselines.fdsa_text:FDSAText",
    "S3RecText": "calrec_recbole.baselines.s3rec.model:S3RecText",
    "UniSRec": "calrec_recbole.baselines.unisrec.model:UniSRec",
    "UniSRecID": "calrec_recbole.baselines.unisrec.model:UniSRecID",
    "Recformer": "calrec_recbole.baselines.recformer.model:Recformer",
    "TIGER": "calrec_recbole.baselines.tiger.model:TIGER",
    "GivenScores": "calrec_recbole.plugin.exchange.given_scores:GivenScores",
}
TRAINERS = {  # models that RecBole's own trainers cannot train
    "CALRec": "calrec_recbole.plugin.calrec.trainer:CALRecTrainer",
    "LIR": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "RecentPop": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "TransitionGraph": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "S3RecText": "calrec_recbole.baselines.s3rec.trainer:PretrainedTrainer",
    "UniSRec": "calrec_recbole.baselines.unisrec.trainer:UniSRecTrainer",
    "UniSRecID": "calrec_recbole.baselines.unisrec.trainer:UniSRecTrainer",
    "Recformer": "calrec_recbole.baselines.recformer.trainer:RecformerTrainer",
    "TIGER": "calrec_recbole.baselines.tiger.trainer:TigerTrainer",
    "GivenScores": "calrec_recbole.plugin.exchange.given_scores:GivenScoresTrainer",
}

OF_A_GRAPH = ("GRU4RecKG", "KSR")
FOR_EXAMPLE = ("SASRec", "GRU4Rec", "BERT4Rec")

KINDS = ("sequential_recommender", "general_recommender")  # folders of RecBole's models that run here

_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


def _recbole_folder() -> Path:
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("RecBole is not installed: pip install recbole==1.2.1")
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def recbole_models() -> dict[str, str]:
    """Name -> ``module:class`` of RecBole's sequential and general models, read from its files without importing it."""
    found = {}
    for kind in KINDS:
        for file in sorted((_recbole_folder() / kind).glob("[a-z]*.py")):
            for name in _CLASS.findall(file.read_text(encoding="utf-8")):
                if name.lower() == file.stem:
                    found[name] = f"recbole.model.{kind}.{file.stem}:{name}"
    return found


@cache
def _other_kinds() -> dict[str, str]:
    """Lower-case name -> kind, of RecBole's models that do not run here, by the names of its files."""
    return {
        file.stem: folder.name.removesuffix("_recommender").replace("_", "-")
        for folder in _recbole_folder().glob("*_recommender")
        if folder.name not in KINDS
        for file in folder.glob("[a-z]*.py")
    }


def known_models() -> list[str]:
    """All that run, ours first, then RecBole's in alphabetical order."""
    return [*OURS, *sorted({*recbole_models()} - {*OF_A_GRAPH}, key=str.lower)]


def load(address: str) -> Any:
    """The object at ``module:name``.

    RecBole's SINE, which comes in with every sequential model, turns on torch's anomaly detection for the whole
    process: each backward pass then makes twice the calls and waits for the device after each. It is left as it was.
    """
    import torch  # takes a second, which a typo in a name need not wait for

    module, _, name = address.partition(":")
    before = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        torch.set_anomaly_enabled(*before)


def known_model(name: str) -> str:
    """The address of the model ``name``, of an own one ``name`` itself.

    Raises ``ConfigError`` that names the nearest known model, or says that the module of ``module:Class`` is not there.
    """
    if is_own(name):
        return module_found(name, known_models())
    if name in OF_A_GRAPH:
        raise ConfigError(
            f"model={name!r} needs embeddings of a knowledge graph (.ent) and does not run here: take GRU4Rec, or run "
            "it by RecBole's own command"
        )
    address = OURS.get(name) or recbole_models().get(name)
    if address is None:
        if kind := _other_kinds().get(name.lower()):
            raise ConfigError(
                f"model={name!r} is one of RecBole's {kind} models, which need more than events, and does not run "
                f"here: take a sequential one ({', '.join(FOR_EXAMPLE)}) or a general one (BPR, LightGCN), or run it "
                "by RecBole's own command"
            )
        if "." in name and (module := module_of(name)):
            raise ConfigError(f"model={name!r} is no name of a model; one of your own is {module}")
        hint = did_you_mean(name, known_models()) or f"; known: {', '.join(known_models())}"
        raise ConfigError(f"model={name!r} is unknown{hint}")
    return address


def model_class(name: str) -> type[Any]:
    """The class of the model ``name``, a name or an address ``module:Class``."""
    address = known_model(name)
    found: type[Any] = own_class(name, load) if is_own(name) else load(address)
    return found


def known_bases(model: type[Any]) -> list[str]:
    """The names of the known models that the class ``model`` is or derives from, the nearest first."""
    addresses = recbole_models() | OURS
    return [
        base.__name__ for base in model.__mro__ if addresses.get(base.__name__) == f"{base.__module__}:{base.__name__}"
    ]


def trained_on_events(model: type[Any]) -> bool:
    """Whether the class is a general model of RecBole's kind: it learns (user, item) pairs and reads no history."""
    from recbole.utils import ModelType

    return model.type in (ModelType.GENERAL, ModelType.TRADITIONAL)
