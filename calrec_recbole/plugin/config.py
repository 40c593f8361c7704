"""RecBole's ``Config`` without its traps: no ``eval``, no ``sys.argv``, no environment writes, no unknown keys.

Order, later wins: RecBole's own defaults, ``configs/overall.yaml``, ``configs/model/<Model>.yaml`` (before it that of a
model of ours that it subclasses), ``configs/dataset/<Dataset>.yaml``, ``configs/model/<Model>-<Dataset>.yaml``, the
user's YAML files in their order, ``--key=value``.
"""

import copy
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config as RecBoleConfig
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import InputType, ModelType

from calrec_recbole.data.atomic import AtomicSettings
from calrec_recbole.engines.xla.lazy_graph import XLA, xla_device
from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.evaluation import EvaluationSettings, parse_metric
from calrec_recbole.plugin.data.data_settings import DataSettings
from calrec_recbole.plugin.data.split import SplitSettings, check_split
from calrec_recbole.plugin.recbole_values import recbole_faults
from calrec_recbole.plugin.registry import OURS, is_own, known_bases, model_class
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.several_processes import local_rank
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_files import (
    SettingsLoader,
    config_file,
    faults,
    parse_value,
    read_settings,
    shipped_settings,
)
from calrec_recbole.setting_groups import group_faults, keys_of, settings_of

__all__ = ["Config"]

DERIVED = frozenset(  # set by RecBole or by the runner, never by users
    (
        "MODEL_TYPE",
        "MODEL_INPUT_TYPE",
        "eval_type",
        "single_spec",
        "local_rank",
        "world_size",
        "run_dir",
        "run_id",
    )
)
PICKLES = ("save_dataset", "dataset_save_path", "save_dataloaders", "dataloaders_save_path")
FEATURE_SETTINGS = ("selected_features", "item_attribute")  # models that read item columns name them here
EVALUATION: dict[str, list[Any]] = {  # paper 4; the first of each is how we write it
    "split": [{"LS": "valid_and_test"}],
    "order": ["TO"],
    "mode": ["full", {"valid": "full", "test": "full"}],
}

EVERY_RUN = (RunSettings, DataSettings, AtomicSettings, SplitSettings, EvaluationSettings)
OF_RECBOLES = {"SASRec": (TrimSettings,), "BERT4Rec": (TrimSettings,)}  # our models name their own groups
AUTO, CPU, CUDA = "auto", "cpu", "cuda"
UNLISTED = {"model", "dataset", "encoding"}  # of RecBole's, besides its lists of arguments and its YAML files

_READ = re.compile(r"""config\[\s*["'](\w+)["']\s*\]""")  # how RecBole's models read settings


class Config(RecBoleConfig):
    """Settings of one run; ``config[key]`` as in RecBole, None for a key that nobody set.

    ``settings`` holds what was resolved, as plain YAML values: ``Config(config_dict=settings)`` gives an equal config.
    ``groups`` are the dataclasses of what a run of this model reads, ``known`` the names of all its settings.
    Raises ``ConfigError`` that lists every fault of all sources at once.
    """

    settings: dict[str, Any]
    groups: tuple[type[Any], ...]
    known: set[str]
    parameters: dict[str, list[str]]

    def __init__(
        self,
        model: str | None = None,
        dataset: str | None = None,
        config_file_list: Sequence[str | Path] | None = None,
        config_dict: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            super().__init__(model, dataset, config_file_list, config_dict)
        except CalrecError:
            raise
        except (AssertionError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as problem:
            raise ConfigError(" ".join(str(problem).split())) from problem

    def on(self, dataset: str) -> "Config":
        """The same model on another data set: what this run changes, above that data set's own YAML."""
        defaults = self.internal_config_dict  # with this run's data set's YAML
        changed = {key: value for key, value in self.settings.items() if key not in defaults or defaults[key] != value}
        return Config(self.model, dataset, config_dict=changed | {"dataset": dataset})

    def compatibility_settings(self) -> None:
        """Nothing is left to do: see ``plugin.compat``."""

    def _init_parameters_category(self) -> None:
        super()._init_parameters_category()
        for category, keys in self.parameters.items():
            self.parameters[category] = list(keys)  # RecBole appends to its own global lists

    def _build_yaml_loader(self) -> type[SettingsLoader]:
        return SettingsLoader

    def _load_config_files(self, file_list: Sequence[str | Path] | None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for file in file_list or ():
            merged.update(read_settings(config_file(file)))
        merged.pop("prepare", None)
        return merged

    def _load_variable_config_dict(self, config_dict: Mapping[str, Any] | None) -> dict[str, Any]:
        given = config_dict or {}  # HyperTuning's holds NumPy scalars
        return {key: value.item() if isinstance(value, np.generic) else value for key, value in given.items()}

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _get_model_and_dataset(self, model: str | None, dataset: str | None) -> tuple[str, type[Any], str]:
        model = model or self.external_config_dict.get("model")
        dataset = dataset or self.external_config_dict.get("dataset")
        if not model or not dataset:
            raise ConfigError("model and dataset must be given, such as --model=SASRec --dataset=ml-100k")
        return str(model), model_class(str(model)), str(dataset)

    def _load_internal_config_dict(self, model: str, model_class: type[Any], dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        self.groups = (*EVERY_RUN, *getattr(model_class, "setting_groups", OF_RECBOLES.get(model, ())))
        below = [name for name in reversed(known_bases(model_class)) if name != model]
        for name in below if is_own(model) else ():
            self.internal_config_dict.update(_recboles_settings(name))
        self.known = self._known(model_class)
        models = [("model", name) for name in (*below, model) if name in OURS or name == model or is_own(model)]
        sources = (("", "overall"), *models, ("dataset", dataset), ("model", f"{model}-{dataset}"))
        for kind, name in sources:
            self.internal_config_dict.update(shipped_settings(kind, name))
        if is_own(model):  # its forward may read the pads
            self.internal_config_dict.pop("trim_padding", None)
        # general models too: the same rows are evaluated
        self.internal_config_dict["MODEL_TYPE"] = ModelType.SEQUENTIAL
        self.external_config_dict |= _parsed(self.variable_config_dict, self.internal_config_dict)
        given, defaults = self.external_config_dict, self.internal_config_dict
        found = [*self._take_device(given), *faults(given, defaults, self.known, model)]
        if not found:  # of values of their kinds
            found = self._outside({**defaults, **given, "model": model, "dataset": dataset})
        default = self.internal_config_dict["checkpoint_dir"]
        if self.external_config_dict.get("checkpoint_dir", default) != default:
            found.append("checkpoint_dir has no effect: checkpoints lie in the run's folder, under output_dir")
        if found:
            raise ConfigError(" | ".join(found))

    def _take_device(self, given: dict[str, Any]) -> list[str]:
        """``device`` cpu and cuda are ``use_gpu``; only some models know xla. The faults of it."""
        wanted = given.get("device", AUTO)
        if wanted in (CPU, CUDA):
            given["use_gpu"] = wanted == CUDA
            if wanted == CUDA and not torch.cuda.is_available():
                return ["device='cuda' is not here: torch finds no CUDA device; set device=cpu"]
        if wanted in (AUTO, CPU, CUDA):
            given.pop("device", None)
        elif wanted != XLA or "device" not in self.known:
            numbered = re.fullmatch(r"(?:cuda|gpu):?(\d+)", str(wanted))
            own = f"{XLA} (CALRec alone)" if "device" not in self.known else XLA
            hint = f": set gpu_id={numbered[1]}" if numbered else f"; gpu_id numbers the devices of {CUDA}"
            del given["device"]
            return [f"device={wanted!r} must be one of {AUTO}, {CPU}, {CUDA}, {own}{hint}"]
        return []

    def _outside(self, settings: Mapping[str, Any]) -> list[str]:
        """What lies out of its range, or does not go together."""
        return [*group_faults(settings, self.groups), *recbole_faults(settings, self.groups)]

    def _known(self, model_class: type[Any]) -> set[str]:
        """The settings of our groups, of RecBole's lists and YAML files, and those that the model's source reads.

        Our own models declare theirs.
        """
        ours = {key for group in self.groups for key in keys_of(group)}
        listed = {key for keys in self.parameters.values() for key in keys}
        declared = model_class.__module__.startswith("calrec_recbole.")
        modules = () if declared else {base.__module__ for base in model_class.__mro__ if _is_model(base)}
        sources = (inspect.getsource(sys.modules[module]) for module in modules)
        read = {key for source in sources for key in _READ.findall(source)} - {"device"}  # there gpu_id came to it
        return (UNLISTED | ours | listed | set(self.internal_config_dict) | read) - DERIVED

    def _get_final_config_dict(self) -> dict[str, Any]:
        final: dict[str, Any] = copy.deepcopy({**self.internal_config_dict, **self.external_config_dict})
        if final.get("loss_type") == "CE" and "train_neg_sample_args" not in self.external_config_dict:
            final["train_neg_sample_args"] = None  # cross-entropy over all items takes no negatives
        _load_named_fields(final)
        _load_named_features(final)
        final["data_path"] = str(Path(final["data_path"]).absolute())
        self.settings = copy.deepcopy({key: value for key, value in final.items() if key not in DERIVED})
        self.settings |= {"model": self.model, "dataset": self.dataset}
        return final

    def _set_default_parameters(self) -> None:
        _check_evaluation(self.model, self.final_config_dict)
        if is_own(self.model):
            _check_input_type(self.model_class, self.final_config_dict)
        super()._set_default_parameters()

    def _init_device(self) -> None:
        """``gpu_id`` counts the visible devices; empty, or ``use_gpu: false``, is the CPU. One process, one device: of
        torchrun's processes on a machine the n-th takes the n-th device.
        """
        if (wanted := self.final_config_dict.get("device", AUTO)) not in (AUTO, XLA):
            raise ConfigError(f"device={wanted!r} must be {AUTO} (by gpu_id and use_gpu) or {XLA}")
        gpu = self.final_config_dict["gpu_id"]
        named = gpu if isinstance(gpu, list) else str("" if gpu is None else gpu).split(",")
        first = str(named[0]).strip() if named else ""
        self.final_config_dict |= {"single_spec": True, "local_rank": 0, "device": torch.device("cpu")}
        if wanted == XLA:
            self.final_config_dict["device"] = xla_device()
            return
        if not first or not self.final_config_dict["use_gpu"] or not torch.cuda.is_available():
            return
        if (local := local_rank()) is not None:
            gpu = first = str(local)
        if not first.isdigit() or int(first) >= torch.cuda.device_count():
            raise ConfigError(f"gpu_id={gpu!r} is not one of the {torch.cuda.device_count()} visible devices, from 0")
        torch.cuda.set_device(int(first))
        self.final_config_dict["device"] = torch.device("cuda", int(first))


def _is_model(base: type[Any]) -> bool:
    """Whether the class is a certain model, not one of the classes that all of them derive from."""
    return issubclass(base, AbstractRecommender) and base.__module__ != AbstractRecommender.__module__


def _recboles_settings(model: str) -> dict[str, Any]:
    """RecBole's own YAML of the model; empty where it has none."""
    file = Path(inspect.getfile(RecBoleConfig)).parents[1] / "properties" / "model" / f"{model}.yaml"
    return read_settings(file) if file.is_file() else {}


def _parsed(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Texts become YAML values, as HyperTuning hands over ``"[64, 64]"``, unless the setting is a text by default."""
    return {
        key: parse_value(value, key) if isinstance(value, str) and not isinstance(defaults.get(key), str) else value
        for key, value in given.items()
    }


def _load_named_fields(final: dict[str, Any]) -> None:
    """Of events the columns that USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD name, where nobody chose others."""
    usual = settings_of(AtomicSettings, {})
    if isinstance(final.get("load_col"), dict) and final["load_col"].get("inter") == list(_fields(usual)):
        final["load_col"]["inter"] = list(_fields(settings_of(AtomicSettings, final)))


def _fields(atomic: AtomicSettings) -> tuple[str, str, str]:
    return atomic.USER_ID_FIELD, atomic.ITEM_ID_FIELD, atomic.TIME_FIELD


def _load_named_features(final: dict[str, Any]) -> None:
    """Adds the item columns that the model names (FDSA's ``selected_features``) to ``load_col``."""
    named: list[str] = []
    for setting in FEATURE_SETTINGS:
        value = final.get(setting) or []
        named += [value] if isinstance(value, str) else value
    if named and isinstance(final.get("load_col"), dict) and final["load_col"].get("item") != "*":
        present = final["load_col"].get("item") or [final["ITEM_ID_FIELD"]]
        final["load_col"]["item"] = [*present, *(column for column in named if column not in present)]


def _check_input_type(model: type[Any], final: Mapping[str, Any]) -> None:
    """Raises ``ConfigError`` for a class that does not say which rows it is trained on."""
    advice = (
        "write input_type = InputType.POINTWISE in the class, or InputType.PAIRWISE for a negative item beside each "
        "target (from recbole.utils import InputType)"
    )
    if not hasattr(model, "input_type"):
        if final.get("loss_type") not in ("CE", "BPR"):
            raise ConfigError(f"{model.__module__}.{model.__qualname__} has no input_type: {advice}")
    elif not isinstance(model.input_type, InputType):
        raise ConfigError(f"{model.__module__}.{model.__qualname__} has input_type={model.input_type!r}: {advice}")


def _check_evaluation(model: str, final: Mapping[str, Any]) -> None:
    """Raises ``ConfigError`` for settings that our evaluation cannot honour; all of them at once."""
    found = [f"{key}={final[key]!r} would write or read pickles; leave it empty" for key in PICKLES if final.get(key)]
    try:
        parse_metric(final["valid_metric"])
    except ConfigError as problem:
        found.append(f"valid_metric: {problem}")
    try:
        settings_of(AtomicSettings, final)
    except ConfigError as problem:
        found.append(str(problem))
    found += check_split(model, settings_of(SplitSettings, final), final.get("train_stage"))
    given = final["eval_args"] if isinstance(final["eval_args"], dict) else {}
    for key, (value, *alike) in EVALUATION.items():
        if given.get(key) not in (value, *alike):
            found.append(
                f"eval_args.{key}={given.get(key)!r} must be {value!r}: every model is ranked on the same rows"
            )
    if found:
        raise ConfigError(" | ".join(found))
