"""The top K of each user where items tie at the cut: who is certainly in, who may be, and with which chance."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["TopItems", "tie_chances", "top_items"]


class TopItems(NamedTuple):
    """One row an item of a list, best first: ``rows`` (n,) of the scores, ``items`` (n,), ``scores`` (n,), ``chances``
    (n,) float64 to be in the top K where ties are broken at random, and ``left_out`` (n,), how many items with the same
    score the list lacks.
    """

    rows: Tensor
    items: Tensor
    scores: Tensor
    chances: Tensor
    left_out: Tensor


def tie_chances(scores: Tensor, k: int, unretrieved: float = -torch.inf) -> Tensor:
    """(B, n_items) scores -> (B, n_items) float64: the chance of each item to be in the top ``k``.

    1 above the score of place k, 0 below; the g items that have it share the r places that are left, r / g each. An
    item that scores ``unretrieved`` or less is in no list.

    >>> tie_chances(torch.tensor([[0.9, 0.5, 0.5, 0.5, 0.1]]), k=2)
    tensor([[1.0000, 0.3333, 0.3333, 0.3333, 0.0000]], dtype=torch.float64)
    """
    cut = scores.topk(min(k, scores.shape[1]), dim=1).values[:, -1:]
    above = scores > cut
    tied = (scores == cut) & (scores > unretrieved)
    left = min(k, scores.shape[1]) - above.sum(dim=1, keepdim=True).double()
    return above.double() * (scores > unretrieved) + tied * (left / tied.sum(dim=1, keepdim=True).clamp(min=1))


def top_items(scores: Tensor, k: int, unretrieved: float = -torch.inf, widest_tie: int = 0) -> TopItems:
    """(B, n_items) scores -> the top ``k`` of each row; equal scores in the order of the items.

    A tie that lies across the cut is cut at ``k``, unless it has no more than ``widest_tie`` items: then it is whole.

    >>> best = top_items(torch.tensor([[0.1, 0.5, 0.9, 0.5, 0.5]]), k=3)
    >>> best.items, best.chances, best.left_out
    (tensor([2, 1, 3]), tensor([1.0000, 0.6667, 0.6667], dtype=torch.float64), tensor([0, 1, 1]))
    >>> top_items(torch.tensor([[0.1, 0.5, 0.9, 0.5, 0.5]]), k=3, widest_tie=3).items
    tensor([2, 1, 3, 4])
    """
    chances = tie_chances(scores, k, unretrieved)
    certain, shared = chances == 1, (chances > 0) & (chances < 1)
    ties = shared.sum(dim=1, keepdim=True)
    left = min(k, scores.shape[1]) - certain.sum(dim=1, keepdim=True)
    left = torch.where(ties <= widest_tie, ties, left)
    rows, items = (certain | (shared & (shared.cumsum(dim=1) <= left))).nonzero(as_tuple=True)
    values = scores[rows, items]
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(rows[order], stable=True)]
    rows, items = rows[order], items[order]
    left_out = (ties - left)[rows, 0] * shared[rows, items]
    return TopItems(rows, items, values[order], chances[rows, items], left_out)
