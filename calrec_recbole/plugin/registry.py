"""Every model that runs by name: ours, RecBole's sequential ones and its Pop. Each is imported only when asked for."""

import importlib
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError, did_you_mean

__all__ = ["OURS", "TRAINERS", "known_model", "known_models", "load", "model_class", "recbole_models"]

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
}
TRAINERS = {  # models that RecBole's own trainers cannot train; see plugin.trainer
    "CALRec": "calrec_recbole.plugin.calrec.trainer:CALRecTrainer",
    "LIR": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "RecentPop": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "TransitionGraph": "calrec_recbole.plugin.training.tie_aware_trainer:UntrainedTrainer",
    "S3RecText": "calrec_recbole.baselines.s3rec.trainer:PretrainedTrainer",
    "UniSRec": "calrec_recbole.baselines.unisrec.trainer:UniSRecTrainer",
    "UniSRecID": "calrec_recbole.baselines.unisrec.trainer:UniSRecTrainer",
    "Recformer": "calrec_recbole.baselines.recformer.trainer:RecformerTrainer",
    "TIGER": "calrec_recbole.baselines.tiger.trainer:TigerTrainer",
}

FOR_EXAMPLE = ("SASRec", "GRU4Rec", "BERT4Rec")

_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


@cache
def recbole_models() -> dict[str, str]:
    """Name -> ``module:class`` of RecBole's sequential models and of Pop, read from its files without importing it."""
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("RecBole is not installed: pip install recbole==1.2.1")
    models = Path(spec.submodule_search_locations[0]) / "model"
    found = {}
    for file in [*sorted((models / "sequential_recommender").glob("[a-z]*.py")), models / "general_recommender/pop.py"]:
        for name in _CLASS.findall(file.read_text(encoding="utf-8")):
            if name.lower() == file.stem:
                found[name] = f"recbole.model.{file.parent.name}.{file.stem}:{name}"
    return found


@cache
def _other_kinds() -> dict[str, str]:
    """Lower-case name -> kind, of RecBole's models that are not sequential, by the names of its files."""
    spec = importlib.util.find_spec("recbole")
    folders = Path((spec.submodule_search_locations or [""])[0] if spec else "") / "model"
    return {
        file.stem: folder.name.removesuffix("_recommender").replace("_", "-")
        for folder in folders.glob("*_recommender")
        if folder.name != "sequential_recommender"
        for file in folder.glob("[a-z]*.py")
        if file.stem != "pop"
    }


def known_models() -> list[str]:
    """All names, ours first, then RecBole's in alphabetical order."""
    return [*OURS, *sorted(recbole_models(), key=str.lower)]


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
    """The address of the model ``name``; raises ``ConfigError`` that names the nearest known model."""
    address = OURS.get(name) or recbole_models().get(name)
    if address is None:
        if kind := _other_kinds().get(name.lower()):
            raise ConfigError(
                f"model={name!r} is one of RecBole's {kind} models, which read no history in order, and does not run "
                f"here: take a sequential one ({', '.join(FOR_EXAMPLE)}) or Pop, or run it by RecBole's own command"
            )
        hint = did_you_mean(name, known_models()) or f"; known: {', '.join(known_models())}"
        raise ConfigError(f"model={name!r} is unknown{hint}")
    return address


def model_class(name: str) -> type[Any]:
    """The class of the model ``name``."""
    found: type[Any] = load(known_model(name))
    return found
