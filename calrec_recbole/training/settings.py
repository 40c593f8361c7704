"""What training depends on, with the paper's values; checked when made."""

from dataclasses import MISSING, dataclass
from typing import Literal

from calrec_recbole.errors import ConfigError, not_one_of
from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["AUTO", "TrainingSettings"]

AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one stage. Lengths of phases are in optimiser steps; one step sees ``train_batch_size`` users."""

    train_steps: int = ranged(MISSING, "[0, 1e9]")  # 0: the backbone stays as it is
    train_minutes: float = ranged(
        0.0, "[0, 1e6]"
    )  # above 0: as many steps as these minutes hold, in the proportions of the others
    learning_rate: float = ranged(1.0e-4, "(0, 1e3]")  # paper 4
    train_batch_size: int = ranged(512, "[1, 1e7]")  # paper 4, in users
    alpha: float = ranged(0.125, "[-1e6, 1e6]")  # paper 4
    beta: float = ranged(-0.025, "[-1e6, 1e6]")  # paper 4: negative on purpose
    tau_c: float = ranged(0.5, "(0, 1e6]")  # paper 4
    nig_reduction: Literal["sum", "mean"] = "sum"  # Eq. 1 as printed
    truncate_last: int = ranged(4, "[0, 1e6]")  # paper 4: k in {0..4}
    # ours, not the paper's:
    warmup_steps: int = ranged(
        0, "[0, 1e9]"
    )  # next-item loss on every item of the history, for backbones trained from scratch
    learner: Literal["adamw", "muon"] = "adamw"
    lr_warmup_steps: int = ranged(100, "[0, 1e9]")
    lr_schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = ranged(0.01, "[0, 1e3]")
    max_grad_norm: float = ranged(1.0, "(0, 1e9]")
    packing: bool | Literal["auto"] = AUTO  # sequences in rows without pads; auto: where the backbone can be read so
    kernels: Literal["auto", "plain", "liger", "compile"] = "auto"  # auto: Liger's on CUDA where it is installed
    micro_batch_tokens: int | Literal["auto"] = ranged(
        AUTO, "auto or [1, 1e9]"
    )  # whose activations are in memory at once
    micro_batch_cost: int | Literal["auto"] = ranged(AUTO, "auto or [0, 1e9]")  # of one more padded piece, in tokens
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    parallel: Literal["ddp", "fsdp"] = "ddp"  # of several processes: the whole backbone in each, or a part
    gradient_checkpointing: bool = False  # blocks are computed again in the backward pass instead of kept

    def __post_init__(self) -> None:
        check_ranges(self, *(not_one_of(name, getattr(self, name), choices) for name, choices in CHOICES.items()))
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
