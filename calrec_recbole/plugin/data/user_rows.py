"""Loaders over some of the users that another loader has."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from recbole.data.dataloader import FullSortEvalDataLoader

__all__ = ["in_random_order", "loader_of", "rows_of_users", "sampled_users"]


def loader_of(data: Any, rows: Any) -> Any:
    """A loader as ``data`` is, one row a user, over the given ``rows`` of it in their order."""
    dataset = data._dataset.copy(data._dataset.inter_feat[rows])
    return FullSortEvalDataLoader(data.config, dataset, data._sampler, shuffle=False)


def sampled_users(data: Any, wanted: int, entropy: Sequence[int]) -> Any:
    """A loader over ``wanted`` of the users, drawn by ``entropy``; ``data`` itself where that is 0 or all of them."""
    rows = len(data._dataset.inter_feat)
    if not 0 < wanted < rows:
        return data
    return loader_of(data, np.sort(np.random.default_rng(entropy).permutation(rows)[:wanted]))


def in_random_order(data: Any, wanted: int, entropy: Sequence[int]) -> Any:
    """A loader over the users of ``sampled_users``, in the order in which they are drawn: fewer of them come first."""
    rows = len(data._dataset.inter_feat)
    return loader_of(data, np.random.default_rng(entropy).permutation(rows)[: wanted or rows])


def rows_of_users(data: Any, users: Collection[str]) -> Any:
    """A loader over the rows of ``users``, the data set's own ids, in the order of ``data``; None without any."""
    dataset = data._dataset
    names = dataset.field2id_token[dataset.uid_field]
    wanted = np.isin(names[dataset.inter_feat[dataset.uid_field].numpy()].astype(str), list(users))
    return loader_of(data, np.flatnonzero(wanted)) if wanted.any() else None
