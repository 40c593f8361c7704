"""All settings of CALRec, a group each, and what must hold before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch

from calrec_recbole.backbone import AdapterSettings, Backbone, ScratchSizes
from calrec_recbole.backbone.machine_memory import check_memory
from calrec_recbole.engines.samplers import OF_FINISHED_WEIGHTS, check_sampler
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.engines.xla.lazy_graph import XLA
from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.experimental.unseen_bonus import UnseenBonus
from calrec_recbole.inference import NATIVE, InferenceSettings
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.train_stages import FINETUNE, check_train_stage
from calrec_recbole.prompts import PROMPTS, Prompt
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged, settings_of, younger
from calrec_recbole.training import FitSettings, TrainingSettings

TOKEN_BYTES = 8

__all__ = [
    "GROUPS",
    "BackboneSettings",
    "CALRecSettings",
    "StageSettings",
    "UserLimits",
    "check_generation",
    "check_positions",
    "prompt_of",
]


@dataclass(frozen=True)
class BackboneSettings:
    """``backbone``: scratch, a hub id, a local folder or a .gguf file; ``max_input_length`` in tokens of the prompt.

    ``device`` is asked for as auto or xla; made of a run's config it is the device that this came to.
    """

    backbone: str = "scratch"
    prompt_template: str = "calrec"  # paper 3.2
    max_input_length: int = ranged(1024, "[1, 1e9]")  # paper 4
    device: str | torch.device = younger("auto", neutral="auto")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class StageSettings:
    """The stages of 3.3: finetune, from ``pre_model_path`` where that is given, or joint, on several data sets."""

    train_stage: str = FINETUNE
    pre_model_path: str = ""
    allow_other_objective: bool = False
    joint_datasets: Sequence[str] = ()
    joint_targets: Sequence[str] = ()
    selection_dataset: str = ""
    mixture_power: float = ranged(0.3, "[0, 1]")  # paper 3.3

    def __post_init__(self) -> None:
        check_ranges(self)
        check_train_stage("CALRec", self.train_stage)


@dataclass(frozen=True)
class UserLimits:
    """How many users are evaluated, 0 for all; ``evaluate_minutes`` ends a test that the same command goes on with."""

    valid_users: int = ranged(500, "[0, 1e9]")
    test_users: int = younger(0, neutral=0, within="[0, 1e9]")
    evaluate_minutes: float = no_effect(0.0, within="[0, 1e6]")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class CALRecSettings:
    """Made once from a run's flat settings."""

    run: RunSettings
    backbone: BackboneSettings
    scratch: ScratchSizes
    adapters: AdapterSettings
    stage: StageSettings
    training: TrainingSettings
    fit: FitSettings
    inference: InferenceSettings
    servers: ServerSettings
    retrieval: RetrievalSettings
    rerank: RerankSettings
    unseen: UnseenBonus
    users: UserLimits

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Raises ``ConfigError`` for a value out of range."""
        made = cls(**{name: settings_of(group, config) for name, group in GROUPS.items()})
        return replace(made, inference=_on_device(made.inference, made.backbone.device))


GROUPS: dict[str, type[Any]] = {one.name: one.type for one in fields(CALRecSettings)}  # type: ignore[misc]


def _on_device(inference: InferenceSettings, device: Any) -> InferenceSettings:
    """The samples of XLA are other draws, so its name stands where that of an engine does."""
    if device.type != XLA:
        return inference
    for name, wanted in (("generation_engine", NATIVE), ("decoding", "sample")):
        if getattr(inference, name) != wanted:
            raise ConfigError(f"device=xla draws samples itself: set {name}: {wanted}, not {getattr(inference, name)}")
    return replace(inference, generation_engine=XLA)


def prompt_of(name: Any) -> Prompt:
    """The template of ``prompt_template``; ``ConfigError`` for an unknown one."""
    must_be_one_of("prompt_template", name, PROMPTS)
    return PROMPTS[name]


def check_generation(settings: CALRecSettings, processes: int) -> None:
    """Raises ``ConfigError``, before the data are read, where the settings name a device or an engine of samples that
    cannot work.
    """
    engine, steps = settings.inference.generation_engine, settings.training.train_steps
    length = settings.inference.max_new_tokens
    samples, longest = settings.inference.n_gen, length if isinstance(length, int) else 1
    what = f"n_gen={samples} texts a user of max_new_tokens={length}"
    check_memory(what, TOKEN_BYTES * samples * longest, "lower them")
    if engine == XLA:
        return _check_xla(settings, processes)
    copied = engine in OF_FINISHED_WEIGHTS
    if copied and steps != 0:
        raise ConfigError(
            f"generation_engine={engine} samples from finished weights: set train_steps=0, warmup_steps=0 "
            f"(--config_files=untuned) and pre_model_path, not train_steps={steps}"
        )
    if copied and processes > 1:
        raise ConfigError(f"generation_engine={engine} runs in one process, not {processes}: start it by run_recbole")
    check_sampler(engine, settings.servers)


def _check_xla(settings: CALRecSettings, processes: int) -> None:
    if processes > 1:
        raise ConfigError(f"device=xla runs in one process, not {processes}: start it by run_recbole")
    if settings.retrieval.retrieval == "rerank":
        raise ConfigError("device=xla trains and samples, retrieval=rerank does neither: set device: auto")


def check_positions(backbone: Backbone, max_input_length: int, after: int) -> None:
    """The longest prompt and what comes after it must lie within the positions that the model was made for."""
    room = getattr(backbone.model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and max_input_length + after > room:
        raise ConfigError(
            f"max_input_length={max_input_length} and {after} tokens after it exceed the backbone's {room} positions; "
            f"lower it to {room - after}"
        )
