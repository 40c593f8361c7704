"""What a run of CALRec costs at least, from tokens and steps: FLOPs of the products with a backbone's matrices.

A token that passes a matrix of P numbers costs 2 P FLOPs, and 4 P more in the backward pass. What comes on top is left
out: attention, the optimiser, activations that are computed twice, retrieval, waiting. Early stopping is not foreseen.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from calrec_recbole.backbone.outline import Outline
from calrec_recbole.examples import IGNORED, ItemTokens
from calrec_recbole.training.micro_batches.batches import truncated
from calrec_recbole.training.settings import TrainingSettings

__all__ = ["Work", "generation_work", "measured_flops", "training_work"]

SAMPLED = 2000  # training users whose sequences are measured
SIDE = 1024  # of the matrices that measure a device
SECONDS = 0.5  # of measuring


class Work(NamedTuple):
    """Tokens that pass the blocks, and FLOPs."""

    tokens: float
    flops: float


@dataclass(frozen=True)
class _Lengths:
    """Means over users: tokens of a history with its target, tokens to predict in it, tokens of the target."""

    sequence: float
    predicted: float
    target: float


def training_work(
    items: ItemTokens, sequences: Sequence[Sequence[int]], settings: TrainingSettings, outline: Outline
) -> Work:
    """All steps of ``settings`` on users of ``sequences`` (places among ``items``, oldest first).

    Lengths are means over at most 2,000 of the users, drawn once. After the warm-up each target also passes alone, for
    v^T.
    """
    warm, steps = settings.warmup_steps, settings.train_steps - settings.warmup_steps
    first, then = _lengths(items, sequences, 0, True), _lengths(items, sequences, settings.truncate_last, False)
    alone = then.target + len(items.start)
    tokens = settings.train_batch_size * (warm * first.sequence + steps * (then.sequence + alone))
    predicted = settings.train_batch_size * (warm * first.predicted + steps * then.predicted)
    return Work(tokens, 6 * (outline.body * tokens + outline.head * predicted))


def generation_work(items: ItemTokens, prompts: Sequence[Sequence[int]], n_gen: int, outline: Outline) -> Work:
    """``n_gen`` texts of the catalogue's mean length for each history of ``prompts``, which passes once.

    Samples share their first tokens, so this is the most that drawing them costs.
    """
    read = sum(len(items.prompt(history)) for history in prompts)
    drawn = len(prompts) * n_gen * float(np.mean([len(item) for item in items.items]))
    return Work(read + drawn, 2 * (outline.body * (read + drawn) + outline.head * drawn))


def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the product of two matrices of 1,024 x 1,024 on ``device``, timed for half a second."""
    left, right = (torch.ones(SIDE, SIDE, device=device, dtype=dtype) for _ in range(2))
    left @ right
    _wait(device)
    began, products = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        left @ right
        _wait(device)
        products += 1
    return products * 2 * SIDE**3 / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _lengths(items: ItemTokens, sequences: Sequence[Sequence[int]], last: int, all_items: bool) -> _Lengths:
    rng = np.random.default_rng(0)
    users = rng.permutation(len(sequences))[:SAMPLED]
    kept = [truncated(sequences[user], last, rng) for user in users]
    found = [items.example(one[:-1], one[-1], history_labels=all_items) for one in kept]
    count = max(1, len(found))
    return _Lengths(
        math.fsum(len(one.tokens) for one in found) / count,
        math.fsum(int((one.labels != IGNORED).sum()) for one in found) / count,
        math.fsum(len(one.target) for one in found) / count,
    )
