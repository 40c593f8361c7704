"""All sequences of a part of the batch in one row, without pads, each attending to itself alone.

A call costs a GPU as much for ten tokens as for ten thousand, and a pad costs what a token does. So histories with
their targets and, for v^T, targets alone stand one after another, and one forward pass reads both towers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calrec_recbole.attention.varlen import Segments
from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.micro_batches.batches import fitting_groups
from calrec_recbole.training.micro_batches.packed_attention import Block, blocks_of
from calrec_recbole.training.micro_batches.passes import Towers
from calrec_recbole.training.micro_batches.sizes import Sizes

__all__ = ["PackedPasses", "Packing", "pack", "packed_passes", "read_packed", "rows_of"]


@dataclass(frozen=True)
class Packing:
    """S sequences in a row of N tokens, the longest first, and where to find their features: B are histories with
    their targets, T are targets alone. Feature 2 s is the mean of what stands before the target of sequence s, feature
    2 s + 1 that of its target.
    """

    tokens: Tensor  # (1, N) int64
    positions: Tensor  # (1, N) int64, from 0 in each sequence
    segments: Segments
    lengths: tuple[int, ...]  # of the S sequences, on the host
    features: Tensor  # (N,) int64: the feature that each token counts in
    counts: Tensor  # (2 S, 1) float32: tokens of each feature, 1 where it has none
    predicts: Tensor  # (P,) int64: the tokens that predict a label
    labels: Tensor  # (P,) int64
    sequences: Tensor  # (B,) int64: rows of the batch
    users: Tensor  # (B,) int64: their features
    contexts: Tensor  # (B,) int64
    targets: Tensor  # (T,) int64: rows of the batch
    alone: Tensor  # (T,) int64: their features

    @cached_property
    def blocks(self) -> list[Block]:
        """The row cut into blocks of sequences of like length, for attention where the kernel cannot be had."""
        return blocks_of(self.lengths, self.tokens.device)


class _Sequence(NamedTuple):
    """One sequence of the row, of batch row ``row``: a history with its target, or the target ``alone``."""

    row: int
    alone: bool
    tokens: NDArray[np.int64]
    labels: NDArray[np.int64]
    before: int  # tokens before the target


def pack(
    examples: Sequence[Example],
    sequences: Sequence[int],
    targets: Sequence[int],
    start: NDArray[np.int64],
    device: torch.device,
) -> Packing:
    """The row of ``sequences``, numbers of ``examples``, and of the targets of ``targets`` alone, each after ``start``.

    Put together on the host; ``device`` is not waited for.
    """
    parts = [_whole(row, examples[row]) for row in sequences] + [_alone(row, examples[row], start) for row in targets]
    parts.sort(key=lambda part: -len(part.tokens))
    lengths = np.array([len(part.tokens) for part in parts])
    number = np.repeat(np.arange(len(parts)), lengths)  # (N,) the sequence of each token
    place = np.concatenate([np.arange(length) for length in lengths])
    features = 2 * number + (place >= np.array([part.before for part in parts])[number])
    labels = np.concatenate([part.labels for part in parts])
    predicts = np.flatnonzero(labels != IGNORED)
    alone = np.array([part.alone for part in parts])
    rows = np.array([part.row for part in parts])
    send = _Sender(device)
    return Packing(
        tokens=send(np.concatenate([part.tokens for part in parts])[None]),
        positions=send(place[None]),
        segments=Segments.of(lengths.tolist(), device),
        lengths=tuple(lengths.tolist()),
        features=send(features),
        counts=send(np.bincount(features, minlength=2 * len(parts)).clip(1).astype(np.float32)[:, None]),
        predicts=send(predicts),
        labels=send(labels[predicts]),
        sequences=send(rows[~alone]),
        users=send(2 * np.flatnonzero(~alone)),
        contexts=send(2 * np.flatnonzero(~alone) + 1),
        targets=send(rows[alone]),
        alone=send(2 * np.flatnonzero(alone) + 1),
    )


def _whole(row: int, example: Example) -> _Sequence:
    return _Sequence(row, False, example.tokens, example.labels, example.prompt_length)


def _alone(row: int, example: Example, start: NDArray[np.int64]) -> _Sequence:
    tokens = np.concatenate([start, example.target])
    return _Sequence(row, True, tokens, np.full(len(tokens), IGNORED), len(start))


class _Sender:
    """numpy arrays to tensors on a device; to a GPU from pinned memory, since a plain copy would wait for it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def read_packed(trunk: Any, packing: Packing) -> Towers:
    """One pass over the row. ``trunk`` is a transformers decoder without its head, inside ``attending_packed``."""
    hidden = trunk(
        input_ids=packing.tokens, position_ids=packing.positions, use_cache=False, packing=packing
    ).last_hidden_state.squeeze(0)
    with torch.autocast(hidden.device.type, enabled=False):
        sums = torch.zeros(len(packing.counts), hidden.shape[1], device=hidden.device)
        means = sums.index_add(0, packing.features, hidden.float()) / packing.counts  # (N, D) -> (2 S, D)
    return Towers(
        packing.sequences,
        means.index_select(0, packing.users),
        means.index_select(0, packing.contexts),
        hidden.index_select(0, packing.predicts),
        packing.labels,
        packing.targets,
        means.index_select(0, packing.alone),
    )


@dataclass(frozen=True)
class PackedPasses:
    """A batch in rows, one a group."""

    trunk: Any
    groups: Sequence[Packing]
    padding: float = 0.0

    def read(self, group: Packing) -> Towers:
        return read_packed(self.trunk, group)


def packed_passes(
    backbone: Backbone,
    items: ItemTokens,
    examples: Sequence[Example],
    contrasts: bool,
    sizes: Sizes,
    device: torch.device,
    processes: Processes,
) -> PackedPasses:
    """This process's share of ``examples``, in as few rows of at most ``micro_batch_tokens`` tokens as can be."""
    tokens = [len(example.tokens) for example in examples]
    tokens += [len(items.start) + len(example.target) for example in examples if contrasts]
    n = len(examples)
    groups = [
        pack(examples, [at for at in row if at < n], [at - n for at in row if at >= n], items.start, device)
        for row in rows_of(tokens, sizes.micro_batch_tokens, processes)
    ]
    return PackedPasses(backbone.trunk, groups)


def rows_of(tokens: Sequence[int], max_tokens: int, processes: Processes) -> list[list[int]]:
    """Sequences of ``tokens`` tokens, by number -> this process's rows of at most ``max_tokens``, the largest last.

    All processes get as many rows: a backbone in parts is gathered in every pass.
    """
    order = sorted(range(len(tokens)), key=lambda number: -tokens[number])
    shares = [order[rank :: processes.world] for rank in range(processes.world)]
    rows = [
        [[share[at] for at in row] for row in fitting_groups([tokens[number] for number in share], max_tokens)]
        for share in shares
    ]
    own, most = rows[processes.rank], max(map(len, rows))
    while len(own) < most:
        largest = max(own, key=len)
        own.remove(largest)
        half = len(largest) // 2
        own += [largest[:half], largest[half:]]
    return sorted(own, key=lambda row: sum(tokens[number] for number in row))
