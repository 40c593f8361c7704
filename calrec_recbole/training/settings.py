"""What training depends on, with the paper's values; checked when made."""

from dataclasses import dataclass
from typing import Literal

from calrec_recbole.errors import ConfigError

__all__ = ["TrainingSettings"]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one stage. Lengths of phases are in optimiser steps; one step sees ``train_batch_size`` users."""

    train_steps: int  # 0: the backbone stays as it is
    learning_rate: float = 1.0e-4  # paper 4
    train_batch_size: int = 512  # paper 4, in users
    alpha: float = 0.125  # paper 4
    beta: float = -0.025  # paper 4: negative on purpose
    tau_c: float = 0.5  # paper 4
    nig_reduction: Literal["sum", "mean"] = "sum"  # Eq. 1 as printed
    truncate_last: int = 4  # paper 4: k in {0..4}
    # ours, not the paper's:
    warmup_steps: int = 0  # next-item loss on every item of the history, for backbones trained from scratch
    learner: Literal["adamw", "muon"] = "adamw"
    lr_warmup_steps: int = 100
    lr_schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    micro_batch_tokens: int = 8192
    max_padding: float = 0.1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        positive = ("learning_rate", "train_batch_size", "tau_c", "max_grad_norm", "micro_batch_tokens")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be greater than 0")
        for name in ("train_steps", "truncate_last", "warmup_steps", "lr_warmup_steps", "weight_decay"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if self.warmup_steps > self.train_steps:
            raise ConfigError(f"warmup_steps={self.warmup_steps} exceeds train_steps={self.train_steps}; lower it")
        for name, choices in (
            ("nig_reduction", ("sum", "mean")),
            ("learner", ("adamw", "muon")),
            ("lr_schedule", ("constant", "cosine")),
            ("precision", ("auto", "float32", "bfloat16")),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name}={getattr(self, name)!r} must be one of {', '.join(choices)}")
        if not 0 < self.max_padding < 1:
            raise ConfigError(f"max_padding={self.max_padding} must lie between 0 and 1: the share of pad tokens")
