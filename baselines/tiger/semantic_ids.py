"""Semantic ids: an item's vector as a short row of codes, by residual k-means (RQ-KMeans), and a last code that keeps
items of equal codes apart.

TIGER's paper (3.1) learns the codes by an RQ-VAE. Residual k-means is the same quantiser without the autoencoder.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

__all__ = ["distinct_ids", "residual_codes"]


def residual_codes(vectors: NDArray[np.floating], levels: int, codes: int, seed: int) -> NDArray[np.int64]:
    """(N, D) vectors -> (N, levels) codes below ``codes``: of each level the nearest of the k-means centroids of what
    the levels before left of the vectors.

    A level has fewer centroids where fewer residuals differ. On one thread, so that sums have one order.
    """
    residuals = np.array(vectors, dtype=np.float64)
    found = np.empty((len(residuals), levels), np.int64)
    with threadpool_limits(1):
        for level in range(levels):
            clusters = min(codes, len(np.unique(residuals, axis=0)))
            means = KMeans(clusters, n_init=1, tol=0, random_state=seed).fit(residuals)
            found[:, level] = means.labels_
            residuals -= means.cluster_centers_[means.labels_]
    return found


def distinct_ids(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, levels) codes -> (N, levels + 1): the last code counts the items before that have the same others.

    >>> distinct_ids(np.array([[3, 1], [2, 2], [3, 1]])).tolist()
    [[3, 1, 0], [2, 2, 0], [3, 1, 1]]
    """
    _, group = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - np.searchsorted(group[order], group[order])
    return np.column_stack([codes, place])
