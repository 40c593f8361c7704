"""The training loop: users -> truncated examples -> micro-batches -> one optimiser step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import DataError
from calrec_recbole.examples import Example, ItemTokens
from calrec_recbole.training.batches import micro_batches, padded_tokens, step_users, truncated
from calrec_recbole.training.engines import Engine, engine
from calrec_recbole.training.fixed_shapes import FixedShapes
from calrec_recbole.training.gradients import BatchGradient
from calrec_recbole.training.mixture import Mixture
from calrec_recbole.training.optimiser import learning_rate, optimisers
from calrec_recbole.training.parallel import Processes, evenly
from calrec_recbole.training.runtime import fast_attention, resolve_precision
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.training.sharding import whole
from calrec_recbole.xla import finish_graph

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
    seconds: float


@dataclass
class Training:
    """A backbone in training on ``sequences`` (items of each user, oldest first, at least two); see ``run``."""

    backbone: Backbone
    items: ItemTokens
    sequences: Sequence[Sequence[int]]
    settings: TrainingSettings
    seed: int
    device: torch.device
    mixture: Mixture | None = None  # of several categories, whose users ``sequences`` holds one after another
    step: int = 0
    processes: Processes = field(default_factory=Processes.present)
    optimisers: list[torch.optim.Optimizer] = field(init=False)
    precision: torch.dtype = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        if not self.sequences or min(map(len, self.sequences)) < 2:
            raise DataError("training needs users with at least two items each: one of history and a target")
        if self.settings.gradient_checkpointing:
            _recompute_blocks(self.backbone.model)
        if self.device.type == "xla":
            self.backbone.model.tie_weights()  # moving a model there copies its shared weights: two would be trained
        self.processes.check_batch(len(self.examples()))
        self.engine = engine(self.backbone, self.settings.parallel, self.processes)
        self.optimisers = optimisers(self.engine.backbone.model, self.settings)
        self.precision = resolve_precision(self.settings.precision, self.device)
        self._clear_gradients()

    def run(self, until: int, report: Callable[[StepReport], Any], pause: Callable[[], bool] = lambda: False) -> None:
        """Trains from the present step up to ``until`` (exclusive) and calls ``report`` after each step; ends sooner
        after a step after which ``pause`` answers True.
        """
        model = self.engine.backbone.model
        model.train()
        try:
            with fast_attention(model, self.precision):
                while self.step < min(until, self.settings.train_steps):
                    report(self._one_step())
                    self.step += 1
                    if pause():
                        break
        finally:
            model.eval()
        self.engine.publish()

    @property
    def in_warmup(self) -> bool:
        return self.step < self.settings.warmup_steps

    def examples(self) -> list[Example]:
        """The examples of the present step, the same for the same seed, step and settings."""
        rng = np.random.default_rng([self.seed, 1, self.step])
        users = self._users()
        kept = [
            truncated(self.sequences[user], 0 if self.in_warmup else self.settings.truncate_last, rng) for user in users
        ]
        return [self.items.example(items[:-1], items[-1], history_labels=self.in_warmup) for items in kept]

    def _users(self) -> np.ndarray:
        size = self.settings.train_batch_size
        if self.mixture:
            return self.mixture.users(size, self.step, self.seed)
        return step_users(len(self.sequences), size, self.step, self.seed)

    def batch(self) -> BatchGradient | FixedShapes:
        """The examples of the present step, cut into micro-batches of similar length for each of the two towers."""
        examples, settings = self.examples(), self.settings
        limits = settings.micro_batch_tokens, settings.micro_batch_cost
        contrasts = not self.in_warmup and (settings.alpha != 0 or settings.beta != 0)
        if self.device.type == "xla":
            return self.fixed_shapes(examples, contrasts)
        targets = [len(self.items.start) + len(example.target) for example in examples]
        return BatchGradient(
            self.engine.backbone,
            self.items,
            settings,
            self.device,
            self.precision,
            examples,
            self._share(micro_batches([len(example.tokens) for example in examples], *limits)),
            self._share(micro_batches(targets, *limits)) if contrasts else [],
            "mean" if self.in_warmup else settings.nig_reduction,
            self.processes,
        )

    def fixed_shapes(self, examples: Sequence[Example], contrasts: bool) -> FixedShapes:
        """The same batch in pieces that XLA need not compile anew."""
        reduction = "mean" if self.in_warmup else self.settings.nig_reduction
        return FixedShapes(
            self.engine.backbone, self.items, self.settings, self.device, self.precision, examples, contrasts, reduction
        )

    def _share(self, pieces: list[list[int]]) -> Sequence[list[int]]:
        """This process's pieces of the batch that all processes share."""
        return self.processes.share(evenly(pieces, self.processes.world))

    def _clear_gradients(self) -> None:
        """On XLA zeros: adding to nothing would be another graph than adding to something."""
        for parameter in self.engine.backbone.model.parameters():
            zeros = self.device.type == "xla" and parameter.requires_grad
            parameter.grad = torch.zeros_like(parameter) if zeros else None
        finish_graph(self.device)

    def _clipped_norm(self) -> Tensor:
        """Of the gradient before it was clipped."""
        trained = self.engine.backbone.model.parameters()
        return whole(torch.nn.utils.clip_grad_norm_(trained, self.settings.max_grad_norm))

    def _one_step(self) -> StepReport:
        started = time.perf_counter()
        rate = learning_rate(self.step, self.settings)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        batch = self.batch()
        self.processes.seed_step(self.seed, self.step)
        parts = batch.accumulate()
        self.engine.sum_gradients()
        norm = self._clipped_norm()
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"step {self.step}: the gradient is not finite; lower learning_rate or max_grad_norm"
            )
        for optimiser in self.optimisers:
            optimiser.step()
        self._clear_gradients()
        return StepReport(
            step=self.step,
            phase="warm-up" if self.in_warmup else "calrec",
            gradient_norm=float(norm),
            learning_rate=rate,
            tokens=sum(len(example.tokens) for example in batch.examples),
            padding=_padding(batch),
            seconds=time.perf_counter() - started,
            **{name: float(value) for name, value in parts._asdict().items()},
        )


def _recompute_blocks(model: Any) -> None:
    """transformers renames the method: 5.23 warns of the old name, 5.0 lacks the new one."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def _padding(batch: BatchGradient | FixedShapes) -> float:
    """The share of pads among all tokens that go through the backbone, both towers together."""
    if isinstance(batch, FixedShapes):
        return batch.padding()
    passes = (
        ([len(example.tokens) for example in batch.examples], batch.sequence_pieces),
        ([len(batch.items.start) + len(example.target) for example in batch.examples], batch.target_pieces),
    )
    padded = sum(padded_tokens(lengths, piece) for lengths, pieces in passes for piece in pieces)
    return 1 - sum(lengths[row] for lengths, pieces in passes for piece in pieces for row in piece) / padded
