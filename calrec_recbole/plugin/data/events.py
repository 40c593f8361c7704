"""Training data of RecBole's Pop: every training event of the sequential split, each exactly once."""

from collections.abc import Iterator
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

__all__ = ["EventLoader", "occurrence", "training_events"]


def training_events(split: Any) -> Interaction:
    """The users and items of a sequential training split, un-augmented.

    Each row of ``split`` holds one event as its target; a user's first event stands only in the history of its first
    row, the one of length 1.
    """
    rows, user, item = split.inter_feat, split.uid_field, split.iid_field
    first = rows[split.item_list_length_field] == 1
    histories = rows[item + split.config["LIST_SUFFIX"]]
    return Interaction(
        {
            user: torch.cat([rows[user][first], rows[user]]),
            item: torch.cat([histories[first][:, 0], rows[item]]),
        }
    )


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


class EventLoader:
    """Batches in which no item stands twice: Pop adds 1 to ``item_cnt[items]``, which counts a repeat once a batch."""

    shuffle = False

    def __init__(self, split: Any) -> None:
        self._dataset = split
        self.events = training_events(split)
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
