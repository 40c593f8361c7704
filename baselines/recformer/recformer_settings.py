"""Recformer's settings; "authors" are those of the paper or of its public code."""

from collections.abc import Sequence
from dataclasses import dataclass

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.train_stages import FINETUNE, check_train_stage
from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["RecformerSettings"]


@dataclass(frozen=True)
class RecformerSettings:
    """Inputs, network, stages and their lengths in epochs; the optimiser's numbers are TrainingSettings' own."""

    recformer_attributes: Sequence[str] = ("title", "brand", "category")  # authors; none: all of item_attributes
    attribute_tokens: int = ranged(32, "[1, 1e6]")  # authors
    max_tokens: int = ranged(1024, "[2, 1e6]")  # authors
    recformer_backbone: str = "scratch"
    attention_window: int = ranged(64, "[2, 1e6]")  # authors
    temperature: float = ranged(0.05, "(0, 1e6]")  # authors
    train_stage: str = FINETUNE
    pre_model_path: str = ""
    epochs: int = ranged(24, "[0, 1e6]")
    stage2_epochs: int = ranged(9, "[0, 1e6]")
    eval_step: int = ranged(3, "[1, 1e6]")  # authors
    stopping_step: int = ranged(5, "[0, 1e6]")  # authors
    stage2_stopping_step: int = ranged(3, "[0, 1e6]")  # authors
    train_batch_size: int = ranged(64, "[1, 1e7]")
    learning_rate: float = ranged(1.0e-3, "(0, 1e3]")
    lr_warmup_steps: int = ranged(100, "[0, 1e9]")  # authors
    weight_decay: float = ranged(0.0, "[0, 1e3]")  # authors
    max_grad_norm: float = ranged(1.0, "(0, 1e9]")  # authors
    micro_batch_tokens: int = ranged(16384, "[1, 1e9]")
    precision: str = "auto"
    pretrain_datasets: Sequence[str] = ()  # none: the training part of the run's own
    pretrain_epochs: int = ranged(5, "[1, 1e6]")
    mlm_weight: float = ranged(0.1, "[0, 1e6]")  # authors
    mlm_probability: float = ranged(0.15, "(0, 1)")  # authors

    def __post_init__(self) -> None:
        check_train_stage("Recformer", self.train_stage)
        check_ranges(self)
        if self.attention_window % 2:
            raise ConfigError(f"attention_window={self.attention_window} must be even")
        if len(set(self.pretrain_datasets)) < len(self.pretrain_datasets):
            raise ConfigError(f"pretrain_datasets={self.pretrain_datasets} names a data set twice")
        if self.train_stage == FINETUNE and not self.epochs + self.stage2_epochs:
            raise ConfigError("epochs and stage2_epochs are both 0: nothing would be trained")
