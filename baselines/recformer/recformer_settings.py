"""Recformer's settings; "authors" are those of the paper or of its public code."""

from collections.abc import Sequence
from dataclasses import dataclass

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.train_stages import FINETUNE, check_train_stage

__all__ = ["RecformerSettings"]


@dataclass(frozen=True)
class RecformerSettings:
    """Inputs, network, stages and their lengths in epochs; the optimiser's numbers are TrainingSettings' own."""

    recformer_attributes: Sequence[str] = ("title", "brand", "category")  # authors; none: all of item_attributes
    attribute_tokens: int = 32  # authors
    max_tokens: int = 1024  # authors
    recformer_backbone: str = "scratch"
    attention_window: int = 64  # authors
    temperature: float = 0.05  # authors
    train_stage: str = FINETUNE
    pre_model_path: str = ""
    epochs: int = 24
    stage2_epochs: int = 9
    eval_step: int = 3  # authors
    stopping_step: int = 5  # authors
    stage2_stopping_step: int = 3  # authors
    train_batch_size: int = 64
    learning_rate: float = 1.0e-3
    lr_warmup_steps: int = 100  # authors
    weight_decay: float = 0.0  # authors
    max_grad_norm: float = 1.0  # authors
    micro_batch_tokens: int = 16384
    precision: str = "auto"
    pretrain_datasets: Sequence[str] = ()  # none: the training part of the run's own
    pretrain_epochs: int = 5
    mlm_weight: float = 0.1  # authors
    mlm_probability: float = 0.15  # authors

    def __post_init__(self) -> None:
        check_train_stage("Recformer", self.train_stage)
        for name in ("temperature", "micro_batch_tokens"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be greater than 0")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.attention_window < 2 or self.attention_window % 2:
            raise ConfigError(f"attention_window={self.attention_window} must be even and at least 2")
        if not 0 < self.mlm_probability < 1:
            raise ConfigError(f"mlm_probability={self.mlm_probability} must lie between 0 and 1")
        if len(set(self.pretrain_datasets)) < len(self.pretrain_datasets):
            raise ConfigError(f"pretrain_datasets={self.pretrain_datasets} names a data set twice")
        if self.train_stage == FINETUNE and not self.epochs + self.stage2_epochs:
            raise ConfigError("epochs and stage2_epochs are both 0: nothing would be trained")


LEAST = {
    **{"max_tokens": 2, "attribute_tokens": 1, "train_batch_size": 1, "eval_step": 1, "pretrain_epochs": 1},
    **{"epochs": 0, "stage2_epochs": 0},
}
