"""CALRec's part of RecBole's flat settings: the core's dataclasses, and what must hold before anything is loaded."""

from dataclasses import fields, replace
from typing import Any, TypeVar

from calrec_recbole.backbone import AdapterSettings, Backbone, ScratchSizes
from calrec_recbole.engines.samplers import VLLM, check_sampler
from calrec_recbole.engines.xla.lazy_graph import XLA
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.inference import NATIVE, InferenceSettings
from calrec_recbole.prompts import PROMPTS, Prompt
from calrec_recbole.training import FitSettings, TrainingSettings

__all__ = ["check_generation", "check_intervals", "check_positions", "inference_of", "prompt_of", "settings_of"]

Settings = TypeVar("Settings", FitSettings, TrainingSettings, AdapterSettings, InferenceSettings, ScratchSizes)


def prompt_of(name: Any) -> Prompt:
    """The template of ``prompt_template``; ``ConfigError`` for an unknown one."""
    if name not in PROMPTS:
        hint = did_you_mean(str(name), PROMPTS)
        raise ConfigError(f"prompt_template={name!r} must be one of {', '.join(PROMPTS)}{hint}")
    return PROMPTS[name]


def check_intervals(config: Any) -> None:
    """Raises ``ConfigError`` for an interval, or a number of users or minutes, that is too small."""
    for name, least in (*(("report_interval", 1), ("valid_users", 0), ("test_users", 0), ("evaluate_minutes", 0)),):
        if config[name] < least:
            raise ConfigError(f"{name}={config[name]} must be at least {least}")


def check_generation(config: Any, processes: int) -> None:
    """Raises ``ConfigError``, before the data are read, where the settings name a device or an engine of samples that
    cannot work.
    """
    if config["device"].type == XLA:
        _check_xla(config, processes)
    if config["generation_engine"] != VLLM:
        check_sampler(config["generation_engine"] or NATIVE)  # None: another model
        return
    if config["train_steps"] != 0:
        raise ConfigError(
            "generation_engine=vllm samples from finished weights: set train_steps=0, warmup_steps=0 "
            f"(--config_files=untuned) and pre_model_path, not train_steps={config['train_steps']}"
        )
    if processes > 1:
        raise ConfigError(f"generation_engine=vllm runs in one process, not {processes}: start it by run_recbole")
    check_sampler(VLLM)


def _check_xla(config: Any, processes: int) -> None:
    if processes > 1:
        raise ConfigError(f"device=xla runs in one process, not {processes}: start it by run_recbole")
    for name, wanted in (("generation_engine", NATIVE), ("decoding", "sample")):
        if config[name] != wanted:
            raise ConfigError(f"device=xla draws samples itself: set {name}: {wanted}, not {config[name]}")
    if config["retrieval"] == "rerank":
        raise ConfigError("device=xla trains and samples, retrieval=rerank does neither: set device: auto")


def inference_of(config: Any) -> InferenceSettings:
    """Decoding and fusion; the samples of XLA are other draws, so its name stands where that of an engine does."""
    settings = settings_of(InferenceSettings, config)
    return replace(settings, generation_engine=XLA) if config["device"].type == XLA else settings


def check_positions(backbone: Backbone, max_input_length: int, after: int) -> None:
    """The longest prompt and what comes after it must lie within the positions that the model was made for."""
    room = getattr(backbone.model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and max_input_length + after > room:
        raise ConfigError(
            f"max_input_length={max_input_length} and {after} tokens after it exceed the backbone's {room} positions; "
            f"lower it to {room - after}"
        )


def settings_of(kind: type[Settings], config: Any, prefix: str = "") -> Settings:
    """A dataclass of the core from RecBole's flat keys."""
    given = {field.name: config[prefix + field.name] for field in fields(kind)}
    return kind(**{name: value for name, value in given.items() if value is not None})
