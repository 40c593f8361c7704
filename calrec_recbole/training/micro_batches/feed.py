"""What goes through a backbone in training: the examples of each step, in groups that fit in memory."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import DataError
from calrec_recbole.examples import Example, ItemTokens
from calrec_recbole.training.budget import laid_over, seconds_of, steps_within
from calrec_recbole.training.cached_gradients import BatchGradient, Gradient
from calrec_recbole.training.device.fused_kernels import COMPILE, LIGER, compiled, liger_nll, use_kernels
from calrec_recbole.training.device.mixed_precision import fast_attention, resolve_precision
from calrec_recbole.training.device.random_state import RandomState
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.distributed.replicas import Engine, engine
from calrec_recbole.training.micro_batches.batches import step_users, truncated
from calrec_recbole.training.micro_batches.packed_attention import attending_packed
from calrec_recbole.training.micro_batches.packing import packed_passes
from calrec_recbole.training.micro_batches.packing_check import reads_packed
from calrec_recbole.training.micro_batches.padded import padded_passes
from calrec_recbole.training.micro_batches.passes import Passes
from calrec_recbole.training.micro_batches.sizes import Sizes
from calrec_recbole.training.micro_batches.trial import sizes_of
from calrec_recbole.training.mixture import Mixture
from calrec_recbole.training.settings import TrainingSettings

__all__ = ["Feed"]

logger = logging.getLogger(__name__)

SCHEDULE = ("train_steps", "warmup_steps", "lr_warmup_steps")  # what a budget of minutes decides


@dataclass
class Feed:
    """A backbone and its training users: ``sequences`` are the items of each, oldest first, at least two."""

    backbone: Backbone
    items: ItemTokens
    sequences: Sequence[Sequence[int]]
    settings: TrainingSettings
    seed: int
    device: torch.device
    mixture: Mixture | None = None  # of several categories, whose users ``sequences`` holds one after another
    step: int = 0
    processes: Processes = field(default_factory=Processes.present)
    precision: torch.dtype = field(init=False)
    engine: Engine = field(init=False)
    kernels: str = field(init=False)  # those in use
    packed: bool = field(init=False)  # whether sequences stand in rows without pads
    sizes: Sizes | None = field(init=False, default=None)  # None until they are planned
    asked: TrainingSettings = field(init=False)  # ``settings`` as given; they change where they are a budget

    def __post_init__(self) -> None:
        if not self.sequences or min(map(len, self.sequences)) < 2:
            raise DataError("training needs users with at least two items each: one of history and a target")
        if self.settings.gradient_checkpointing:
            _recompute_blocks(self.backbone.model)
        self.processes.check_batch(len(self.examples(0)))
        self.asked = self.settings
        self.kernels = use_kernels(self.backbone.model, self.settings.kernels, self.device)
        self.precision = resolve_precision(self.settings.precision, self.device)
        self.packed = self.reads_packed()
        self.engine = engine(self.backbone, self.settings.parallel, self.processes)
        self.clear_gradients()

    def reads_packed(self) -> bool:
        """Whether sequences go in rows without pads: as ``packing`` says, "auto" where the backbone reads such rows."""
        return reads_packed(self.backbone, self.settings.packing, self.device, self.precision)

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

    @contextmanager
    def attending(self) -> Iterator[None]:
        """The backbone with the attention that ``batch`` is made for, its blocks compiled where that is asked for."""
        model = self.engine.backbone.model
        with ExitStack() as stack:
            stack.enter_context(attending_packed(model) if self.packed else self.padded_attention())
            if self.kernels == COMPILE:
                stack.enter_context(compiled(model))
            yield

    def padded_attention(self) -> AbstractContextManager[None]:
        """The backbone with the attention that is fastest on padded sequences."""
        return fast_attention(self.engine.backbone.model, self.precision)

    def batch(self, step: int, sizes: Sizes | None = None) -> Gradient:
        """The examples of ``step``, ready to go through the backbone inside ``attending``."""
        sizes = sizes or self.sizes or self._measured_sizes()
        return self.gradient_of(self.examples(step), step < self.settings.warmup_steps, sizes)

    def gradient_of(self, examples: Sequence[Example], warmup: bool, sizes: Sizes) -> Gradient:
        """``examples`` as the whole of a batch."""
        settings, contrasts = self.settings, self.contrasts(warmup)
        return BatchGradient(
            self.engine.backbone,
            settings,
            self.device,
            self.precision,
            examples,
            self._passes(examples, contrasts, sizes),
            contrasts,
            self.reduction(warmup),
            sizes.head_rows,
            self.processes,
            liger_nll() if self.kernels == LIGER else None,
        )

    def contrasts(self, warmup: bool) -> bool:
        """Whether the loss of the phase has the contrastive terms of Eq. 4."""
        return not warmup and (self.settings.alpha != 0 or self.settings.beta != 0)

    def reduction(self, warmup: bool) -> str:
        """How the generation loss is averaged: the warm-up predicts every token, and takes their mean."""
        return "mean" if warmup else self.settings.nig_reduction

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
        self.clear_gradients()

    def _passes(self, examples: Sequence[Example], contrasts: bool, sizes: Sizes) -> Passes:
        given = self.engine.backbone, self.items, examples, contrasts, sizes, self.device, self.processes
        if self.packed:
            return packed_passes(*given)
        return padded_passes(*given, in_parts=self.processes.world > 1 and self.settings.parallel == "fsdp")

    def clear_gradients(self) -> None:
        """Before a step's first backward pass."""
        for parameter in self.engine.backbone.model.parameters():
            parameter.grad = None

    def plan(self) -> None:
        """Finds what the settings leave open: the sizes of a group, and the steps that a budget of minutes holds.

        Trials of both change no weight and no random draw.
        """
        model = self.engine.backbone.model
        state, training = RandomState(self.device), model.training
        model.train()
        with self.attending():
            if self.sizes is None:
                self.sizes = self._measured_sizes()
            if self.settings.train_minutes:
                self._lay_over_budget()
        model.train(training)
        state.set()

    def planned(self) -> dict[str, Any]:
        """What ``plan`` found, for JSON."""
        steps = {name: getattr(self.settings, name) for name in SCHEDULE}
        return {**steps, **(asdict(self.sizes) if self.sizes else {})}

    def take_plan(self, planned: Mapping[str, Any]) -> None:
        """Goes on with what ``planned`` answered before. Raises ``ValueError`` or ``TypeError`` for anything else."""
        steps = {name: planned[name] for name in SCHEDULE}
        if self.asked.train_minutes:
            self.settings = replace(self.asked, train_minutes=0.0, **steps)
        elif steps != {name: getattr(self.settings, name) for name in SCHEDULE}:
            raise ValueError(f"its schedule is {steps}")
        sizes = {part.name: planned[part.name] for part in fields(Sizes) if part.name in planned}
        if not all(type(size) is int and size >= 0 for size in sizes.values()):
            raise ValueError(f"its sizes are {sizes}")
        self.sizes = Sizes(**sizes) if sizes else None

    def _lay_over_budget(self) -> None:
        settings, own = self.settings, self.settings.warmup_steps
        warmup = seconds_of(self._tried, 0, time.perf_counter) if own else 0.0
        calrec = seconds_of(self._tried, own, time.perf_counter) if own < settings.train_steps else 0.0
        warmup, calrec = (max(self.processes.gather(seconds)) for seconds in (warmup, calrec))
        self.settings = laid_over(settings, steps_within(settings, warmup, calrec))
        logger.info(
            "train_minutes: %g hold %d steps, %d of them warm-up (%.3f s a step, then %.3f s)",
            *(settings.train_minutes, self.settings.train_steps, self.settings.warmup_steps, warmup, calrec),
        )

    def _tried(self, step: int) -> None:
        """The gradient of ``step``, computed to its end and thrown away."""
        float(self.batch(step).accumulate().total)
        self.clear_gradients()


def _recompute_blocks(model: Any) -> None:
    """transformers renames the method: 5.23 warns of the old name, 5.0 lacks the new one."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
