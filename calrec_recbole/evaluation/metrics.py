"""Metrics per user for one target each, from its 1-based rank; the mean is taken afterwards.

With a single target the ideal DCG is 1, Recall is the hit rate, and the average precision is the reciprocal rank.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["METRICS", "expected", "ndcg", "precision", "recall", "reciprocal_rank"]

Ranks = Tensor | NDArray[np.int64]


def ndcg(ranks: Ranks, k: int) -> Tensor:
    """(B,) ranks -> (B,) float64: 1 / log2(1 + rank) where rank <= k, else 0.

    >>> ndcg(torch.tensor([1, 3, 11]), k=10)
    tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    ranks = _checked(ranks, k)
    return (ranks <= k) / torch.log2(1.0 + ranks)


def recall(ranks: Ranks, k: int) -> Tensor:
    """(B,) ranks -> (B,) float64: 1 where rank <= k, else 0.

    >>> recall(torch.tensor([1, 3, 11]), k=10)
    tensor([1., 1., 0.], dtype=torch.float64)
    """
    ranks = _checked(ranks, k)
    return (ranks <= k).to(torch.float64)


def reciprocal_rank(ranks: Ranks, k: int | None = None) -> Tensor:
    """(B,) ranks -> (B,) float64: 1 / rank; with ``k``, 0 where rank > k. The paper's MRR has no cut-off.

    >>> reciprocal_rank(torch.tensor([1, 4, 20]))
    tensor([1.0000, 0.2500, 0.0500], dtype=torch.float64)
    >>> reciprocal_rank(torch.tensor([1, 4, 20]), k=10)
    tensor([1.0000, 0.2500, 0.0000], dtype=torch.float64)
    """
    ranks = _checked(ranks, k)
    return (ranks <= k) / ranks if k is not None else 1.0 / ranks


def precision(ranks: Ranks, k: int) -> Tensor:
    """(B,) ranks -> (B,) float64: 1 / k where rank <= k, else 0: one of k items is the target.

    >>> precision(torch.tensor([1, 3, 11]), k=10)
    tensor([0.1000, 0.1000, 0.0000], dtype=torch.float64)
    """
    return recall(ranks, k) / k


METRICS: dict[str, Callable[..., Tensor]] = {
    "ndcg": ndcg,
    "recall": recall,
    "mrr": reciprocal_rank,
    "hit": recall,
    "precision": precision,
    "map": reciprocal_rank,  # with a cut-off: the precision at the only place that counts
}


def expected(metric: Callable[..., Tensor], optimistic: Ranks, pessimistic: Ranks, k: int | None = None) -> Tensor:
    """(B,) and (B,) ranks -> (B,) float64: the mean of ``metric`` over all orders of the items that tie.

    Each place from the optimistic to the pessimistic rank is as likely for the target, so the mean over these places is
    exact (McSherry and Najork 2008). It is not the metric of the middle rank: a target tied over the ranks 1 to 19 has
    the middle rank 10, a certain Recall@10, yet nine orders of nineteen put it below.

    >>> expected(recall, torch.tensor([1, 9, 10]), torch.tensor([19, 12, 10]), k=10)
    tensor([0.5263, 0.5000, 1.0000], dtype=torch.float64)
    """
    first, last = (torch.as_tensor(ranks).to(torch.int64) for ranks in (optimistic, pessimistic))
    if len(first) and bool((last < first).any()):
        raise ValueError("a pessimistic rank lies above the optimistic one")
    best = metric(first, k)
    if not len(first):
        return best
    at = metric(torch.arange(1, int(last.max()) + 1), k)
    below = torch.cat([at.new_zeros(1), at.cumsum(0)])  # the sum over all ranks up to and with each
    return torch.where(first == last, best, (below[last] - below[first - 1]) / (last - first + 1))


def _checked(ranks: Ranks, k: int | None) -> Tensor:
    """Ranks as float64."""
    if k is not None and k < 1:
        raise ValueError(f"k={k} must be at least 1")
    ranks = torch.as_tensor(ranks).to(torch.float64)
    if len(ranks) and ranks.min() < 1:
        raise ValueError(f"ranks are 1-based, yet one of them is {ranks.min():g}")
    return ranks
