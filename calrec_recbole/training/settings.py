"""What training depends on, with the paper's values; checked when made."""

from dataclasses import dataclass
from typing import Literal

from calrec_recbole.errors import ConfigError, must_be_one_of

__all__ = ["AUTO", "TrainingSettings"]

AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one stage. Lengths of phases are in optimiser steps; one step sees ``train_batch_size`` users."""

    train_steps: int  # 0: the backbone stays as it is
    train_minutes: float = 0.0  # above 0: as many steps as these minutes hold, in the proportions of the others
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
    packing: bool | Literal["auto"] = AUTO  # sequences in rows without pads; auto: where the backbone can be read so
    kernels: Literal["auto", "plain", "liger", "compile"] = "auto"  # auto: Liger's on CUDA where it is installed
    micro_batch_tokens: int | Literal["auto"] = AUTO  # whose activations are in memory at once
    micro_batch_cost: int | Literal["auto"] = AUTO  # of one more padded piece, in tokens
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    parallel: Literal["ddp", "fsdp"] = "ddp"  # of several processes: the whole backbone in each, or a part
    gradient_checkpointing: bool = False  # blocks are computed again in the backward pass instead of kept

    def __post_init__(self) -> None:
        for name in ("learning_rate", "train_batch_size", "tau_c", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be greater than 0")
        for name in (
            "train_steps",
            "train_minutes",
            "truncate_last",
            "warmup_steps",
            "lr_warmup_steps",
            "weight_decay",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        for name, least in (("micro_batch_tokens", 1), ("micro_batch_cost", 0)):
            _check_auto_or_whole(name, getattr(self, name), least)
        for name, choices in CHOICES.items():
            must_be_one_of(name, getattr(self, name), choices)
        self._check_together()

    def _check_together(self) -> None:
        if self.warmup_steps > self.train_steps:
            raise ConfigError(f"warmup_steps={self.warmup_steps} exceeds train_steps={self.train_steps}; lower it")
        if self.train_minutes and not self.train_steps:
            raise ConfigError(
                f"train_minutes={self.train_minutes} keeps the proportions of train_steps, which is 0: set it too"
            )
        if self.parallel == "fsdp" and self.learner == "muon":
            raise ConfigError("learner=muon needs whole matrices, parallel=fsdp cuts them: set learner: adamw")


CHOICES: dict[str, tuple[object, ...]] = {
    "nig_reduction": ("sum", "mean"),
    "learner": ("adamw", "muon"),
    "lr_schedule": ("constant", "cosine"),
    "precision": ("auto", "float32", "bfloat16"),
    "parallel": ("ddp", "fsdp"),
    "packing": (AUTO, True, False),
    "kernels": ("auto", "plain", "liger", "compile"),
}


def _check_auto_or_whole(name: str, value: object, least: int) -> None:
    if value != AUTO and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise ConfigError(f"{name}={value!r} must be {AUTO}, or a whole number of at least {least}")
