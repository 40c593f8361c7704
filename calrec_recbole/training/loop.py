"""The training loop: one optimiser step after another, each with the exact gradient of its whole batch."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.training.cached_gradients import Gradient
from calrec_recbole.training.device.random_state import RandomState
from calrec_recbole.training.distributed.sharding import whole
from calrec_recbole.training.micro_batches.feed import Feed
from calrec_recbole.training.micro_batches.prefetch import Prefetch
from calrec_recbole.training.micro_batches.sizes import halved
from calrec_recbole.training.objective import LossParts
from calrec_recbole.training.optimiser import learning_rate, optimisers

__all__ = ["StepReport", "Training"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepReport:
    """One optimiser step: losses in nats (means over users; NaN where a part was not computed), counts, shares."""

    step: int
    phase: str
    total: float
    nig: float
    tt: float
    ut: float
    chance: float  # ln B, which tt and ut are where every one of B users looks alike
    nats_per_token: float
    gradient_norm: float
    learning_rate: float
    tokens: int
    padding: float
    seconds: float


@dataclass
class Training(Feed):
    """A backbone in training; see ``run``."""

    optimisers: list[torch.optim.Optimizer] = field(init=False)
    _batches: Prefetch[Gradient] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.optimisers = self.made_optimisers()

    def made_optimisers(self) -> list[torch.optim.Optimizer]:
        """What steps on the weights in training."""
        return optimisers(self.engine.backbone.model, self.settings, fused=True)

    def run(self, until: int, report: Callable[[StepReport], Any], pause: Callable[[], bool] = lambda: False) -> None:
        """Trains from the present step up to ``until`` (exclusive) and calls ``report`` after each step; ends sooner
        after a step after which ``pause`` answers True.
        """
        if self.step >= until:
            return
        self.plan()
        model, stop = self.engine.backbone.model, min(until, self.settings.train_steps)
        model.train()
        try:
            with self.attending(), Prefetch(self.batch) as self._batches:
                while self.step < stop:
                    report(self._one_step())
                    self.step += 1
                    if pause():
                        break
        finally:
            model.eval()
        self.engine.publish()

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
        self.processes.seed_step(self.seed, self.step)
        batch, parts = self._accumulated()
        self.engine.sum_gradients()
        norm = self._clipped_norm()
        *losses, gradient_norm = torch.stack([*parts, norm]).tolist()  # the one time that a step waits for the device
        if not math.isfinite(gradient_norm):
            raise ScoreError(f"step {self.step}: the gradient is not finite; lower learning_rate or max_grad_norm")
        for optimiser in self.optimisers:
            optimiser.step()
        self.clear_gradients()
        return StepReport(
            step=self.step,
            phase="warm-up" if self.in_warmup else "calrec",
            gradient_norm=gradient_norm,
            learning_rate=rate,
            tokens=sum(len(example.tokens) for example in batch.examples),
            padding=batch.padding,
            chance=math.log(len(batch.examples)) if batch.contrasts else math.nan,
            seconds=time.perf_counter() - started,
            **dict(zip(LossParts._fields, losses, strict=True)),
        )

    def _accumulated(self) -> tuple[Gradient, LossParts]:
        """The present batch, its gradient accumulated, and its losses; in smaller groups where memory runs out."""
        while True:
            batch, state = self._batches.get(self.step), RandomState(self.device)
            try:
                return batch, batch.accumulate()
            except torch.OutOfMemoryError as problem:
                reason = str(problem).splitlines()[0]
            self._shrink(max(len(example.tokens) for example in batch.examples), reason)
            del batch  # and with it what it holds on the device
            state.set()
            self._batches.forget()
            self.clear_gradients()
            torch.cuda.empty_cache()

    def _shrink(self, longest: int, reason: str) -> None:
        """Halves the sizes. Raises ``ConfigError`` where that cannot help, or only in one of several processes."""
        assert self.sizes is not None
        if self.processes.world > 1 or self.sizes.micro_batch_tokens <= longest:
            raise ConfigError(
                f"micro_batch_tokens={self.sizes.micro_batch_tokens}: out of memory ({reason}); lower it, or set "
                "gradient_checkpointing: true, a lower max_input_length or lora_rank"
            )
        self.sizes = halved(self.sizes)
        logger.warning(
            "out of memory: from step %d on micro_batch_tokens is %d", self.step, self.sizes.micro_batch_tokens
        )
