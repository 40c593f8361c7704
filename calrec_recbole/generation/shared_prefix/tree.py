"""The tree of distinct prefixes of a batch's samples: one row per prefix, samples point to their row."""

from typing import NamedTuple

import torch
from torch import Tensor


class Children(NamedTuple):
    """One step down the tree: R rows become K rows, one for each distinct (row, token)."""

    parents: Tensor  # (K,) the old row of each new row
    tokens: Tensor  # (K,) the last token of each new row
    rows: Tensor  # (S,) the new row of each sample
    source: Tensor  # (C,) old rows whose suffix must be copied ...
    target: Tensor  # (C,) ... to these new rows; the suffix of every other new row stands at its place already


def branch(rows: Tensor, tokens: Tensor) -> Children:
    """The rows of S samples after each drew one of ``tokens`` (S,) at one of ``rows`` (S,).

    New rows fill 0..K-1 without holes. The first child of a row keeps its place where it can, so that a suffix is
    copied only for a further child, or to fill the place of a row that has no child.
    """
    width = int(tokens.max()) + 1
    keys, child = torch.unique(rows * width + tokens, return_inverse=True)
    places, moved = _places(keys // width)
    order = torch.empty_like(places)
    order[places] = torch.arange(len(places), device=places.device)
    parents = (keys // width)[order]
    return Children(parents, (keys % width)[order], places[child], parents[moved], moved)


def _places(parents: Tensor) -> tuple[Tensor, Tensor]:
    """Places in 0..K-1 of K children of the ascending ``parents`` (K,): all (K,), and those of the moved ones (C,).

    A moved child gets a place that no parent with a child holds, so copies overwrite no suffix still to be read.
    """
    first = torch.ones_like(parents, dtype=torch.bool)
    first[1:] = parents[1:] != parents[:-1]
    stays = first & (parents < len(parents))
    free = torch.ones_like(stays)
    free[parents[stays]] = False
    moved = free.nonzero()[:, 0]
    places = parents.clone()
    places[~stays] = moved
    return places, moved
