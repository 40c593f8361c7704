"""The tree of distinct prefixes of a batch's samples: one row a prefix, samples point to their row.

All arrays have a place for every sample, used or not, so that nothing here asks the device how many there are.
"""

from typing import NamedTuple

import torch
from torch import Tensor

NOWHERE = torch.iinfo(torch.int64).max  # sorts behind every row
TOKEN_BITS = 32


class Children(NamedTuple):
    """One step down the tree: R rows become K <= S rows, one for each distinct (row, token) that a sample goes to.

    New rows are in the order of their old rows, so those of a user stay side by side. Of each array over new rows the
    first K places count, of ``order`` and ``rows`` the first G, of ``source`` and ``target`` the first C.
    """

    parents: Tensor  # (S,) the old row of each new row
    tokens: Tensor  # (S,) the last token of each new row
    slots: Tensor  # (S,) where the suffix of each new row stands, of 0..K-1 without holes
    order: Tensor  # (S,) the samples that go on, by their new rows
    rows: Tensor  # (S,) the new row of each of these
    source: Tensor  # (S,) slots whose suffix must be copied ...
    target: Tensor  # (S,) ... to these; every other new row finds its suffix where its slot is
    counts: Tensor  # (3,) K, C and G


def branch(rows: Tensor, tokens: Tensor, slots: Tensor, going: Tensor | None = None) -> Children:
    """What S samples come to that drew ``tokens`` (S,) at ``rows`` (S,), where row r has its suffix in ``slots[r]``.

    Only samples ``going`` (S,) bool go on, by default all. The first child of a row keeps its slot where it can, so
    that a suffix is copied only for a further child, or to fill the slot of a row that has no child.
    """
    place = torch.arange(len(rows), device=rows.device)
    keys = (rows << TOKEN_BITS) + tokens
    keys, order = torch.sort(keys if going is None else keys.where(going, NOWHERE), stable=True)
    goes = keys != NOWHERE
    first = _differs(keys) & goes
    numbers = first.cumsum(0) - 1
    heads = compact(place, first, numbers)  # of the samples of a new row, the first
    parents = (keys >> TOKEN_BITS)[heads]
    there = place < first.sum()
    old = slots[parents.clamp(max=len(slots) - 1)]
    stays = there & _differs(parents) & (old < first.sum())
    free = there & ~_marked(old, stays)
    moves = there & ~stays
    target, rank = compact(place, free), moves.cumsum(0) - 1
    counts = torch.stack((first.sum(), moves.sum(), goes.sum()))
    return Children(
        parents,
        (keys & ((1 << TOKEN_BITS) - 1))[heads],
        old.where(stays, target[rank.clamp(min=0)]),
        order,
        numbers,
        compact(old, moves, rank),
        target,
        counts,
    )


def compact(values: Tensor, wanted: Tensor, rank: Tensor | None = None) -> Tensor:
    """(S,) the ``values`` that are ``wanted``, in order at the front; ``rank`` (S,) is the place of each there."""
    rank = wanted.cumsum(0) - 1 if rank is None else rank
    size = len(values)
    return values.new_zeros(size + 1).scatter_(0, rank.where(wanted, size), values)[:size]


def _differs(values: Tensor) -> Tensor:
    """(S,) whether a value is not that before it; the first always is not."""
    return torch.nn.functional.pad(values.diff(), (1, 0), value=1) != 0


def _marked(places: Tensor, wanted: Tensor) -> Tensor:
    """(S,) bool, true at ``places`` (S,) of 0..S-1 where they are ``wanted``."""
    size = len(places)
    marks = torch.zeros(size + 1, dtype=torch.bool, device=places.device)
    return marks.scatter_(0, places.where(wanted, size), True)[:size]
