"""The events of a data set as arrays, read once from RecBole's table; and the training data of general models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.data.utils import get_dataloader
from recbole.sampler import Sampler
from recbole.utils import ModelType
from scipy import sparse
from torch import Tensor

from calrec_recbole.plugin.data.split import PARTS, SplitSettings, event_parts
from calrec_recbole.plugin.registry import known_bases

__all__ = ["EventLoader", "Events", "events_of", "loader_of_events", "occurrence"]


@dataclass(frozen=True)
class Events:
    """Every event of a data set once, in chronological order: arrays (n,).

    ``users`` and ``items`` are internal ids, from 1; ``times`` in seconds; ``parts`` as ``split`` names them.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    split: SplitSettings

    @cached_property
    def parts(self) -> np.ndarray:
        return event_parts(self.users, self.times, self.split)

    @cached_property
    def newer(self) -> np.ndarray:
        """How many events of the same user come after each."""
        return np.asarray(pd.Series(self.users).groupby(self.users).cumcount(ascending=False))

    @property
    def training(self) -> np.ndarray:
        """Which are learnt from."""
        return np.asarray(self.parts == PARTS[0])

    def transitions(self, n_items: int) -> sparse.csr_array:
        """(n_items, n_items) float64: row i holds the shares of the items that followed i; zeros where nothing did.

        A step is a pair of consecutive training events of one user.
        """
        users, items = self.users[self.training], self.items[self.training]
        order = np.argsort(users, kind="stable")
        users, items = users[order], items[order]
        pairs = users[1:] == users[:-1]
        steps = (np.ones(pairs.sum()), (items[:-1][pairs], items[1:][pairs]))
        counts = sparse.coo_array(steps, shape=(n_items, n_items)).tocsr()  # repeats add up
        sums = np.asarray(counts.sum(axis=1)).ravel()
        return sparse.csr_array(sparse.diags_array(1 / np.where(sums > 0, sums, 1)) @ counts)


def events_of(dataset: Any, split: SplitSettings) -> Events:
    """Those of RecBole's ``dataset``, which is not built yet: one row an event, in chronological order."""
    rows = dataset.inter_feat
    users, items = (rows[field].to_numpy(dtype=np.int64) for field in (dataset.uid_field, dataset.iid_field))
    return Events(users, items, rows[dataset.time_field].to_numpy(), split)


def occurrence(items: Tensor) -> Tensor:
    """(n,) items -> (n,): how often the same item stands further left.

    >>> occurrence(torch.tensor([7, 7, 3, 7]))
    tensor([0, 1, 0, 2])
    """
    order = torch.argsort(items, stable=True)
    ordered = items[order]
    starts = torch.searchsorted(ordered, ordered)  # where each run of equal items begins
    counts = torch.empty_like(items)
    counts[order] = torch.arange(len(items)) - starts
    return counts


def training_pairs(split: Any, events: Events) -> Interaction:
    """User and item of every training event, in chronological order."""
    columns = {split.uid_field: events.users, split.iid_field: events.items}
    return Interaction({name: torch.from_numpy(column[events.training]) for name, column in columns.items()})


def loader_of_events(config: Any, split: Any, events: Events) -> Any:
    """RecBole's training loader of a general model, over the pairs of the training part and nothing else.

    Negative items are drawn from all items without the user's own training items, as RecBole draws them.
    """
    dataset = split.copy(training_pairs(split, events))
    negatives = config["train_neg_sample_args"] or {"distribution": "none"}
    sampler = None
    if negatives["distribution"] != "none":
        sampler = Sampler("train", dataset, negatives["distribution"], negatives["alpha"]).set_phase("train")
    names = (*known_bases(config.model_class), "")
    loaders = (get_dataloader({"model": name, "MODEL_TYPE": ModelType.GENERAL}, "train") for name in names)
    loader = next((one for one in loaders if one is not TrainDataLoader), TrainDataLoader)
    return loader(config, dataset, sampler, shuffle=config["shuffle"])


class EventLoader:
    """Batches in which no item stands twice: Pop adds 1 to ``item_cnt[items]``, which counts a repeat once a batch."""

    shuffle = False

    def __init__(self, split: Any, events: Events) -> None:
        self._dataset = split
        self.events = training_pairs(split, events)
        self.batch_of = occurrence(self.events[split.iid_field])

    @property
    def dataset(self) -> Any:
        return self._dataset

    def __len__(self) -> int:
        return int(self.batch_of.max()) + 1

    def __iter__(self) -> Iterator[Interaction]:
        order = torch.argsort(self.batch_of, stable=True)
        for rows in torch.split(order, torch.bincount(self.batch_of).tolist()):
            yield self.events[rows]
