"""Metrics per user for one target each, from its 1-based rank; the mean is taken afterwards.

With a single target the ideal DCG is 1, and Recall is the hit rate.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["METRICS", "ndcg", "recall", "reciprocal_rank"]

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


METRICS: dict[str, Callable[..., Tensor]] = {"ndcg": ndcg, "recall": recall, "mrr": reciprocal_rank}


def _checked(ranks: Ranks, k: int | None) -> Tensor:
    """Ranks as float64."""
    if k is not None and k < 1:
        raise ValueError(f"k={k} must be at least 1")
    ranks = torch.as_tensor(ranks).to(torch.float64)
    if len(ranks) and ranks.min() < 1:
        raise ValueError(f"ranks are 1-based, yet one of them is {ranks.min():g}")
    return ranks
