"""All settings of CALRec, a group each, and what must hold before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from calrec_recbole.backbone import AdapterSettings, Backbone, ScratchSizes
from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.generation import check_vllm
from calrec_recbole.inference import VLLM, InferenceSettings
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.train_stages import FINETUNE, check_train_stage
from calrec_recbole.prompts import PROMPTS, Prompt
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.setting_groups import no_effect, settings_of, younger
from calrec_recbole.training import FitSettings, TrainingSettings

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
    """``backbone``: scratch, a hub id, a local folder or a .gguf file; ``max_input_length`` in tokens of the prompt."""

    backbone: str = "scratch"
    prompt_template: str = "calrec"  # paper 3.2
    max_input_length: int = 1024  # paper 4


@dataclass(frozen=True)
class StageSettings:
    """The stages of 3.3: finetune, from ``pre_model_path`` where that is given, or joint, on several data sets."""

    train_stage: str = FINETUNE
    pre_model_path: str = ""
    allow_other_objective: bool = False
    joint_datasets: Sequence[str] = ()
    joint_targets: Sequence[str] = ()
    selection_dataset: str = ""
    mixture_power: float = 0.3  # paper 3.3

    def __post_init__(self) -> None:
        check_train_stage("CALRec", self.train_stage)


@dataclass(frozen=True)
class UserLimits:
    """How many users are evaluated, 0 for all; ``evaluate_minutes`` ends a test that the same command goes on with."""

    valid_users: int = 500
    test_users: int = younger(0, neutral=0)
    evaluate_minutes: float = no_effect(0.0)

    def __post_init__(self) -> None:
        for one in fields(self):
            if getattr(self, one.name) < 0:
                raise ConfigError(f"{one.name}={getattr(self, one.name)} must be at least 0")


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
    retrieval: RetrievalSettings
    rerank: RerankSettings
    users: UserLimits

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Raises ``ConfigError`` for a value out of range."""
        return cls(**{name: settings_of(group, config) for name, group in GROUPS.items()})


GROUPS: dict[str, type[Any]] = {one.name: one.type for one in fields(CALRecSettings)}  # type: ignore[misc]


def prompt_of(name: Any) -> Prompt:
    """The template of ``prompt_template``; ``ConfigError`` for an unknown one."""
    must_be_one_of("prompt_template", name, PROMPTS)
    return PROMPTS[name]


def check_generation(inference: InferenceSettings, train_steps: int, processes: int) -> None:
    """Raises ``ConfigError``, before the data are read, where ``generation_engine: vllm`` cannot work."""
    if inference.generation_engine != VLLM:
        return
    if train_steps != 0:
        raise ConfigError(
            "generation_engine=vllm samples from finished weights: set train_steps=0, warmup_steps=0 "
            f"(--config_files=untuned) and pre_model_path, not train_steps={train_steps}"
        )
    if processes > 1:
        raise ConfigError(f"generation_engine=vllm runs in one process, not {processes}: start it by run_recbole")
    check_vllm()


def check_positions(backbone: Backbone, max_input_length: int, after: int) -> None:
    """The longest prompt and what comes after it must lie within the positions that the model was made for."""
    room = getattr(backbone.model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and max_input_length + after > room:
        raise ConfigError(
            f"max_input_length={max_input_length} and {after} tokens after it exceed the backbone's {room} positions; "
            f"lower it to {room - after}"
        )
