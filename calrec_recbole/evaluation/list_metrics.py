"""Metrics of the lists as a whole, not of the target's rank: coverage, popularity, Gini, novelty of the top K.

Ties at the cut are counted, not broken: ``_exp`` is the expectation where they are broken at random, ``_low`` and
``_high`` enclose what any way of breaking them gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from calrec_recbole.evaluation.ranks import BLOCK
from calrec_recbole.evaluation.top_lists import TopItems, tie_chances, top_items

__all__ = ["LIST_METRICS", "GatheredLists", "ItemValues", "ListCounts", "gini", "item_values"]

LIST_METRICS = ("coverage", "popularity", "gini", "novelty")
MEANS = ("popularity", "novelty")  # of a value of each item


class ItemValues(NamedTuple):
    """(n_items,) float64 each: ``popularity`` in training events, ``novelty`` in bits."""

    popularity: Tensor
    novelty: Tensor


def item_values(users: np.ndarray, items: np.ndarray, n_items: int) -> ItemValues:
    """(n,) users and items of the training events, items from 0 -> the values of each item.

    popularity: its events. novelty: -log2 of the share of the training users that have it (Vargas and Castells, RecSys
    2011); an item that nobody has counts as if one user had it.
    """
    pairs = np.unique(np.stack([users, items]), axis=1)
    having = np.bincount(pairs[1], minlength=n_items)
    share = np.maximum(having, 1) / max(1, len(np.unique(users)))
    popularity = np.bincount(items, minlength=n_items).astype(np.float64)
    return ItemValues(torch.from_numpy(popularity), torch.from_numpy(-np.log2(share)))


def gini(exposure: Tensor) -> float:
    """(n_items,) -> 0 where all items are shown alike, near 1 where one item is shown alone; NaN where none is.

    >>> gini(torch.tensor([1.0, 1.0, 1.0, 1.0])), gini(torch.tensor([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    ordered, n = exposure.double().sort().values, len(exposure)
    weights = 2 * torch.arange(1, n + 1, dtype=torch.float64) - n - 1
    return float((weights * ordered).sum() / (n * ordered.sum()))


@dataclass
class ListCounts:
    """What the lists of one K, added user by user, come to."""

    k: int
    values: ItemValues
    users: int = 0  # whose list is not empty
    free: float = 0.0  # places that ties share
    exposure: Tensor = field(init=False)  # (n_items,) lists that hold the item, expected
    missed: Tensor = field(init=False)  # (n_items,) chance that no list holds it
    certain: Tensor = field(init=False)  # (n_items,) whether a list holds it, however ties are broken
    sums: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_items = len(self.values.popularity)
        self.exposure, self.missed = torch.zeros(n_items).double(), torch.ones(n_items).double()
        self.certain = torch.zeros(n_items, dtype=torch.bool)
        self.sums = {f"{name}_{case}": 0.0 for name in MEANS for case in ("low", "exp", "high")}

    def add(self, scores: Tensor, unretrieved: float = -torch.inf) -> None:
        """(B, n_items) scores of further users."""
        chances = tie_chances(scores, self.k, unretrieved).cpu()
        sure, shared = chances == 1, (chances > 0) & (chances < 1)
        self.users += int((chances > 0).any(dim=1).sum())
        self.free += float((chances * shared).sum())
        self.exposure += chances.sum(dim=0)
        self.missed *= (1 - chances).prod(dim=0)
        self.certain |= sure.any(dim=0)
        length = chances.sum(dim=1).clamp(min=1)  # of each list: k, or fewer where not so many are retrieved
        tied = [(row, shared[row], round(float(chances[row][shared[row]].sum()))) for row in rows_of(shared)]
        for name in MEANS:
            value = getattr(self.values, name)
            fixed = sure.double() @ value / length
            self.sums[f"{name}_exp"] += float((chances @ value / length).sum())
            self.sums[f"{name}_low"] += float(fixed.sum())
            self.sums[f"{name}_high"] += float(fixed.sum())
            for row, places, left in tied:
                ordered = value[places].sort().values
                self.sums[f"{name}_low"] += float(ordered[:left].sum() / length[row])
                self.sums[f"{name}_high"] += float(ordered[len(ordered) - left :].sum() / length[row])

    def merge(self, other: Self) -> None:
        """Adds the users of ``other``."""
        self.users, self.free = self.users + other.users, self.free + other.free
        self.exposure, self.missed = self.exposure + other.exposure, self.missed * other.missed
        self.certain = self.certain | other.certain
        self.sums = {name: value + other.sums[name] for name, value in self.sums.items()}

    def summary(self, names: Sequence[str]) -> dict[str, float]:
        """``{"coverage_low@10": ..., ...}`` of the metrics ``names``; of empty lists there is the coverage alone."""
        found: dict[str, float] = {}
        for name in names:
            found |= {f"{name}_{case}@{self.k}": value for case, value in self._cases(name).items()}
        return found

    def _cases(self, name: str) -> dict[str, float]:
        if name == "coverage":
            n_items, sure = len(self.exposure), int(self.certain.sum())
            most = min(int((self.missed < 1).sum()), sure + round(self.free))
            return {
                "low": sure / n_items,
                "exp": float((1 - self.missed).sum()) / n_items,
                "high": most / n_items,
            }
        if not self.users:
            return {}
        if name == "gini":
            return {"exp": gini(self.exposure)}
        return {case: self.sums[f"{name}_{case}"] / self.users for case in ("low", "exp", "high")}


def rows_of(places: Tensor) -> list[int]:
    """The rows of (B, n) ``places`` in which one is True."""
    return list(places.any(dim=1).nonzero()[:, 0].tolist())


@dataclass
class GatheredLists:
    """The lists of a test: the counts of every K of ``topk`` for the metrics ``names``, and the top ``kept`` items.

    Items are numbered as in the scores, where 0 is the pad item. ``widest_tie``: see ``top_items``.
    """

    names: Sequence[str]
    topk: Sequence[int]
    kept: int
    values: ItemValues
    widest_tie: int = 0

    def __post_init__(self) -> None:
        self.counts = [ListCounts(k, self.values) for k in sorted(set(self.topk))] if self.names else []
        self.tables: list[tuple[Tensor, TopItems]] = []

    def add(self, users: Tensor, scores: Tensor, unretrieved: float | None = None) -> None:
        """(B,) users and their (B, 1 + n_items) scores, the pad item first."""
        lowest = -torch.inf if unretrieved is None else unretrieved
        rows = max(1, BLOCK // scores.shape[1])
        for block, own in zip(scores[:, 1:].split(rows), users.cpu().split(rows), strict=True):
            for count in self.counts:
                count.add(block, lowest)
            if self.kept:
                best = top_items(block, self.kept, lowest, self.widest_tie)
                found = TopItems(*(column.cpu() for column in best))
                self.tables.append((own[found.rows], found))

    def merge(self, other: Self) -> None:
        """Adds the users of ``other``."""
        for own, more in zip(self.counts, other.counts, strict=True):
            own.merge(more)
        self.tables += other.tables

    def summary(self) -> dict[str, float]:
        """The metrics by name, in the order of ``names``, then of K."""
        counts = [(name, count) for name in self.names for count in self.counts]
        return {key: value for name, count in counts for key, value in count.summary([name]).items()}

    def frame(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> pd.DataFrame:
        """The top items: ``user_id, place, item_id, score, chance, left_out``, users in the order of ``user_ids``."""
        users = torch.cat([own for own, _ in self.tables])
        found = [torch.cat(column) for column in zip(*(best[1:] for _, best in self.tables), strict=True)]
        items, scores, chances, left_out = found
        order = torch.argsort(users, stable=True)
        users, items = users[order], items[order] + 1
        starts = torch.searchsorted(users, users)
        columns = {
            "user_id": np.asarray(user_ids, dtype=object)[users.numpy()],
            "place": (torch.arange(len(users)) - starts + 1).numpy(),
            "item_id": np.asarray(item_ids, dtype=object)[items.numpy()],
            "score": scores[order].double().numpy(),
            "chance": chances[order].numpy(),
            "left_out": left_out[order].numpy(),
        }
        return pd.DataFrame(columns)
