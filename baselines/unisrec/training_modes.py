"""UniSRec's three ways to train, and what each asks of the settings before anything is encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calrec_recbole.baselines.unisrec.official_weights import weights_file
from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import check_dataset
from calrec_recbole.setting_groups import named, settings_of

__all__ = ["RELOADED", "STAGES", "UniSRecSettings", "check_stage", "source_configs"]

STAGES = ("scratch", "pretrain", "finetune")
RELOADED = {"train_stage": "scratch", "freeze_encoder": False}  # a finished run needs only its own weights


@dataclass(frozen=True)
class UniSRecSettings:
    """The adaptor, the stage, and the pretraining of section 2.2; defaults are the official code's."""

    n_exps: int = 8
    adaptor_dropout_prob: float = 0.2
    temperature: float = 0.07
    train_stage: str = "scratch"
    pre_model_path: str = ""
    freeze_encoder: bool = False
    loss_type: str = "CE"
    pretrain_datasets: Sequence[str] = ()  # none: the run's own
    pretrain_epochs: int = 300
    pretrain_batch_size: int = 8192
    contrast_weight: float = named("lambda", 1.0e-3)
    item_drop_ratio: float = 0.2
    item_drop_coefficient: float = 0.9
    word_drop_ratio: float = 0.15

    def __post_init__(self) -> None:
        must_be_one_of("train_stage", self.train_stage, STAGES)
        if self.loss_type != "CE":
            raise ConfigError(f"loss_type={self.loss_type!r} must be CE: UniSRec is trained by cross-entropy alone")
        if self.freeze_encoder and self.train_stage != "finetune":
            raise ConfigError(
                f"freeze_encoder=True needs train_stage=finetune, not {self.train_stage}: the encoder knows nothing yet"
            )
        names = self.pretrain_datasets
        if isinstance(names, str) or len(set(names)) < len(names):
            raise ConfigError(
                f"pretrain_datasets={names!r} must list the data sets to pretrain on, each once: [CDs, Movies]"
            )


def check_stage(config: Any, uses_ids: bool) -> None:
    """Raises ``ConfigError`` or ``DataError`` where ``train_stage`` lacks what it reads."""
    stage = settings_of(UniSRecSettings, config).train_stage
    if stage == "finetune":
        weights_file(config["pre_model_path"])
    if stage == "pretrain":
        if uses_ids:
            raise ConfigError("train_stage=pretrain knows no item IDs: pretrain model=UniSRec, fine-tune UniSRecID")
        for source in source_configs(config):
            check_dataset(source)


def source_configs(config: Any) -> list[Config]:
    """One config for each of ``pretrain_datasets``; without any, the run's own data set."""
    names = settings_of(UniSRecSettings, config).pretrain_datasets
    return [config.on(str(name)) for name in names or [config["dataset"]]]
