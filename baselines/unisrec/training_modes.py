"""UniSRec's three ways to train, and what each asks of the settings before anything is encoded."""

from typing import Any

from calrec_recbole.baselines.unisrec.official_weights import weights_file
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import check_dataset

__all__ = ["RELOADED", "STAGES", "check_stage", "source_configs"]

STAGES = ("scratch", "pretrain", "finetune")
RELOADED = {"train_stage": "scratch", "freeze_encoder": False}  # a finished run needs only its own weights


def check_stage(config: Any, uses_ids: bool) -> None:
    """Raises ``ConfigError`` or ``DataError`` where ``train_stage`` lacks what it reads."""
    stage = config["train_stage"]
    if stage not in STAGES:
        raise ConfigError(f"train_stage={stage!r} must be one of {', '.join(STAGES)}{did_you_mean(str(stage), STAGES)}")
    if config["loss_type"] != "CE":
        raise ConfigError(f"loss_type={config['loss_type']!r} must be CE: UniSRec is trained by cross-entropy alone")
    if config["freeze_encoder"] and stage != "finetune":
        raise ConfigError(f"freeze_encoder=True needs train_stage=finetune, not {stage}: the encoder knows nothing yet")
    if stage == "finetune":
        weights_file(config["pre_model_path"])
    if stage == "pretrain":
        if uses_ids:
            raise ConfigError("train_stage=pretrain knows no item IDs: pretrain model=UniSRec, fine-tune UniSRecID")
        for source in source_configs(config):
            check_dataset(source)


def source_configs(config: Any) -> list[Config]:
    """One config for each of ``pretrain_datasets``; without any, the run's own data set."""
    names = config["pretrain_datasets"]
    if not isinstance(names, list) or len(set(names)) < len(names):
        raise ConfigError(
            f"pretrain_datasets={names!r} must list the data sets to pretrain on, each once: [CDs, Movies]"
        )
    return [config.on(str(name)) for name in names or [config["dataset"]]]
