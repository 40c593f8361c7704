"""The training loop: users -> truncated examples -> passes through the backbone -> one optimiser step."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.examples import Example, ItemTokens
from calrec_recbole.training.batches import step_users, truncated
from calrec_recbole.training.engines import Engine, engine
from calrec_recbole.training.fixed_shapes import FixedShapes
from calrec_recbole.training.gradients import BatchGradient
from calrec_recbole.training.mixture import Mixture
from calrec_recbole.training.objective import LossParts
from calrec_recbole.training.optimiser import learning_rate, optimisers
from calrec_recbole.training.packed_attention import attending_packed
from calrec_recbole.training.packing import packed_passes
from calrec_recbole.training.packing_check import reads_packed
from calrec_recbole.training.padded import padded_passes
from calrec_recbole.training.parallel import Processes
from calrec_recbole.training.passes import Passes
from calrec_recbole.training.prefetch import Prefetch
from calrec_recbole.training.random_state import RandomState
from calrec_recbole.training.runtime import fast_attention, resolve_precision
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.training.sharding import whole
from calrec_recbole.training.sizes import Sizes, halved
from calrec_recbole.training.trial import sizes_of
from calrec_recbole.xla import finish_graph

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
    packed: bool = field(init=False)  # whether sequences stand in rows without pads
    sizes: Sizes | None = field(init=False, default=None)  # None until the first step needs them

    def __post_init__(self) -> None:
        if not self.sequences or min(map(len, self.sequences)) < 2:
            raise DataError("training needs users with at least two items each: one of history and a target")
        if self.settings.gradient_checkpointing:
            _recompute_blocks(self.backbone.model)
        if self.device.type == "xla":
            self.backbone.model.tie_weights()  # moving a model there copies its shared weights: two would be trained
        self.processes.check_batch(len(self.examples(0)))
        self.precision = resolve_precision(self.settings.precision, self.device)
        self.packed = reads_packed(self.backbone, self.settings.packing, self.device, self.precision)
        self.engine = engine(self.backbone, self.settings.parallel, self.processes)
        self.optimisers = optimisers(self.engine.backbone.model, self.settings)
        self._clear_gradients()

    def run(self, until: int, report: Callable[[StepReport], Any], pause: Callable[[], bool] = lambda: False) -> None:
        """Trains from the present step up to ``until`` (exclusive) and calls ``report`` after each step; ends sooner
        after a step after which ``pause`` answers True.
        """
        model, stop = self.engine.backbone.model, min(until, self.settings.train_steps)
        if self.step >= stop:
            return
        model.train()
        try:
            with self.attending():
                self.sizes = self.sizes or self._measured_sizes()
                with Prefetch(self.batch) as batches:
                    while self.step < stop:
                        report(self._one_step(batches))
                        self.step += 1
                        if pause():
                            break
        finally:
            model.eval()
        self.engine.publish()

    @property
    def in_warmup(self) -> bool:
        return self.step < self.settings.warmup_steps

    def examples(self, step: int) -> list[Example]:
        """The examples of ``step``, the same for the same seed, step and settings."""
        warmup = step < self.settings.warmup_steps
        rng = np.random.default_rng([self.seed, 1, step])
        last = 0 if warmup else self.settings.truncate_last
        kept = [truncated(self.sequences[user], last, rng) for user in self._users(step)]
        return [self.items.example(items[:-1], items[-1], history_labels=warmup) for items in kept]

    def _users(self, step: int) -> np.ndarray:
        size = self.settings.train_batch_size
        if self.mixture:
            return self.mixture.users(size, step, self.seed)
        return step_users(len(self.sequences), size, step, self.seed)

    def attending(self) -> AbstractContextManager[None]:
        """The backbone with the attention that ``batch`` is made for."""
        model = self.engine.backbone.model
        return attending_packed(model) if self.packed else fast_attention(model, self.precision)

    def batch(self, step: int, sizes: Sizes | None = None) -> BatchGradient | FixedShapes:
        """The examples of ``step``, ready to go through the backbone inside ``attending``."""
        sizes = sizes or self.sizes or self._measured_sizes()
        return self.gradient_of(self.examples(step), step < self.settings.warmup_steps, sizes)

    def gradient_of(self, examples: Sequence[Example], warmup: bool, sizes: Sizes) -> BatchGradient | FixedShapes:
        """``examples`` as the whole of a batch."""
        settings = self.settings
        contrasts = not warmup and (settings.alpha != 0 or settings.beta != 0)
        if self.device.type == "xla":
            return self.fixed_shapes(examples, contrasts)
        return BatchGradient(
            self.engine.backbone,
            settings,
            self.device,
            self.precision,
            examples,
            self._passes(examples, contrasts, sizes),
            contrasts,
            "mean" if warmup else settings.nig_reduction,
            sizes.head_rows,
            self.processes,
        )

    def fixed_shapes(self, examples: Sequence[Example], contrasts: bool) -> FixedShapes:
        """The same batch in pieces that XLA need not compile anew."""
        reduction = "mean" if self.in_warmup else self.settings.nig_reduction
        return FixedShapes(
            self.engine.backbone, self.items, self.settings, self.device, self.precision, examples, contrasts, reduction
        )

    def _measured_sizes(self) -> Sizes:
        return sizes_of(self.settings, self.engine.backbone.model, self.device, self._trial, self.processes)

    def _trial(self, sizes: Sizes) -> None:
        """Forward and backward over about ``sizes.micro_batch_tokens`` tokens a process of the present phase."""
        examples: list[Example] = []
        step, tokens, wanted = self.step, 0, sizes.micro_batch_tokens * self.processes.world
        while tokens < wanted:
            examples += self.examples(step)
            step, tokens = step + 1, sum(len(example.tokens) for example in examples)
        users = int(np.searchsorted(np.cumsum([len(example.tokens) for example in examples]), wanted)) + 1
        self.gradient_of(examples[:users], self.in_warmup, sizes).accumulate()
        self._clear_gradients()

    def _passes(self, examples: Sequence[Example], contrasts: bool, sizes: Sizes) -> Passes:
        given = self.engine.backbone, self.items, examples, contrasts, sizes, self.device, self.processes
        if self.packed:
            return packed_passes(*given)
        return padded_passes(*given, in_parts=self.processes.world > 1 and self.settings.parallel == "fsdp")

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

    def _one_step(self, batches: Prefetch[BatchGradient | FixedShapes]) -> StepReport:
        started = time.perf_counter()
        rate = learning_rate(self.step, self.settings)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        self.processes.seed_step(self.seed, self.step)
        batch, parts = self._accumulated(batches)
        self.engine.sum_gradients()
        norm = self._clipped_norm()
        *losses, gradient_norm = torch.stack([*parts, norm]).tolist()  # the one time that a step waits for the device
        if not math.isfinite(gradient_norm):
            raise FloatingPointError(
                f"step {self.step}: the gradient is not finite; lower learning_rate or max_grad_norm"
            )
        for optimiser in self.optimisers:
            optimiser.step()
        self._clear_gradients()
        return StepReport(
            step=self.step,
            phase="warm-up" if self.in_warmup else "calrec",
            gradient_norm=gradient_norm,
            learning_rate=rate,
            tokens=sum(len(example.tokens) for example in batch.examples),
            padding=batch.padding,
            seconds=time.perf_counter() - started,
            **dict(zip(LossParts._fields, losses, strict=True)),
        )

    def _accumulated(
        self, batches: Prefetch[BatchGradient | FixedShapes]
    ) -> tuple[BatchGradient | FixedShapes, LossParts]:
        """The present batch, its gradient accumulated, and its losses; in smaller groups where memory runs out."""
        while True:
            batch, state = batches.get(self.step), RandomState(self.device)
            try:
                return batch, batch.accumulate()
            except torch.OutOfMemoryError as problem:
                reason = str(problem).splitlines()[0]
            self._shrink(max(len(example.tokens) for example in batch.examples), reason)
            del batch  # and with it what it holds on the device
            state.set()
            batches.forget()
            self._clear_gradients()
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


def _recompute_blocks(model: Any) -> None:
    """transformers renames the method: 5.23 warns of the old name, 5.0 lacks the new one."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
