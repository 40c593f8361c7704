"""The training loop: users -> truncated examples -> micro-batches -> one optimiser step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import DataError
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.training.batches import micro_batches, padding_share, step_users, truncated
from calrec_recbole.training.objective import LossParts, objective
from calrec_recbole.training.optimiser import adamw, learning_rate
from calrec_recbole.training.runtime import autocast, resolve_precision
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import collate

__all__ = ["StepReport", "Training"]


@dataclass(frozen=True)
class StepReport:
    """One optimiser step: losses in nats (means over users; NaN where a part was not computed), counts, shares."""

    step: int
    phase: str
    total: float
    nig: float
    tt: float
    ut: float
    nats_per_token: float
    gradient_norm: float
    learning_rate: float
    tokens: int
    padding: float


@dataclass
class Training:
    """A backbone in training on ``sequences`` (items of each user, oldest first, at least two); see ``run``."""

    backbone: Backbone
    items: ItemTokens
    sequences: Sequence[Sequence[int]]
    settings: TrainingSettings
    seed: int
    device: torch.device
    step: int = 0
    optimiser: torch.optim.AdamW = field(init=False)
    precision: torch.dtype = field(init=False)

    def __post_init__(self) -> None:
        if not self.sequences or min(map(len, self.sequences)) < 2:
            raise DataError("training needs users with at least two items each: one of history and a target")
        self.optimiser = adamw(self.backbone.model, self.settings)
        self.precision = resolve_precision(self.settings.precision, self.device)

    def run(self, until: int, report: Callable[[StepReport], Any]) -> None:
        """Trains from the present step up to ``until`` (exclusive) and calls ``report`` after each step."""
        self.backbone.model.train()
        try:
            while self.step < min(until, self.settings.train_steps):
                report(self._one_step())
                self.step += 1
        finally:
            self.backbone.model.eval()

    @property
    def in_warmup(self) -> bool:
        return self.step < self.settings.warmup_steps

    def examples(self) -> list[Example]:
        """The examples of the present step, the same for the same seed, step and settings."""
        rng = np.random.default_rng([self.seed, 1, self.step])
        users = step_users(len(self.sequences), self.settings.train_batch_size, self.step, self.seed)
        kept = [
            truncated(self.sequences[user], 0 if self.in_warmup else self.settings.truncate_last, rng) for user in users
        ]
        return [self.items.example(items[:-1], items[-1], history_labels=self.in_warmup) for items in kept]

    def _one_step(self) -> StepReport:
        rate = learning_rate(self.step, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        examples = self.examples()
        pieces = list(micro_batches(examples, self.settings.micro_batch_tokens, self.settings.max_padding))
        parts = self._accumulate(pieces)
        norm = torch.nn.utils.clip_grad_norm_(self.backbone.model.parameters(), self.settings.max_grad_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"step {self.step}: the gradient is not finite; lower learning_rate or max_grad_norm"
            )
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return StepReport(
            step=self.step,
            phase="warm-up" if self.in_warmup else "calrec",
            gradient_norm=float(norm),
            learning_rate=rate,
            tokens=sum(len(example.tokens) for example in examples),
            padding=padding_share(pieces),
            **dict(zip(LossParts._fields, parts.tolist(), strict=True)),
        )

    def _accumulate(self, pieces: Sequence[Sequence[Example]]) -> torch.Tensor:
        """Gradients of all pieces, each weighted by its share of users (of predicted tokens where the loss is a mean
        over tokens) -> (5,) the weighted parts of the loss."""
        by_tokens = self.in_warmup or self.settings.nig_reduction == "mean"
        sizes = [_predicted(piece) if by_tokens else len(piece) for piece in pieces]
        sums = torch.zeros(len(LossParts._fields))
        for piece, size in zip(pieces, sizes, strict=True):
            batch = collate(piece, self.items.start).to(self.device)
            with autocast(self.precision, self.device):
                parts = objective(self.backbone, batch, self.settings, warmup=self.in_warmup)
            share = size / sum(sizes)
            (parts.total * share).backward()
            sums += torch.stack([part.detach().float().cpu() for part in parts]) * share
        return sums


def _predicted(piece: Sequence[Example]) -> int:
    return sum(int((example.labels != IGNORED).sum()) for example in piece)
