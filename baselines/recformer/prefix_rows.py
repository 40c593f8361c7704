"""RecBole's rows, one for every prefix: which of them an epoch of Recformer sees, and those of its pretraining."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.baselines.recformer.item_texts import attributes_of
from calrec_recbole.baselines.recformer.recformer_settings import RecformerSettings
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.setting_groups import settings_of

__all__ = ["PretrainingData", "Rows", "draw_rows", "joined", "pretraining_data", "rows_of"]


class Rows(NamedTuple):
    """N rows of history and target, as places in a catalogue, from 0; rows of a user in the order of time.

    ``histories`` (N, L) oldest first, of which ``lengths`` (N,) are filled; ``targets`` and ``users`` (N,).
    """

    histories: Tensor
    lengths: Tensor
    targets: Tensor
    users: Tensor

    def history(self, row: int) -> list[int]:
        """The places of row ``row``'s history, oldest first."""
        return self.histories[row, : self.lengths[row]].tolist()


def rows_of(split: Any) -> Rows:
    """A RecBole split of a sequential data set; its internal item ids begin at 1, after the pad."""
    rows = split.inter_feat
    histories = rows[split.item_id_list_field] - 1
    return Rows(histories, rows[split.item_list_length_field], rows[split.iid_field] - 1, rows[split.uid_field])


def joined(parts: Sequence[Rows], sizes: Sequence[int]) -> Rows:
    """Rows of several data sets as one; ``sizes`` counts the items of each, whose catalogues follow one another."""
    items = np.cumsum([0, *sizes[:-1]]).tolist()
    users = np.cumsum([0, *(int(part.users.max()) + 1 for part in parts[:-1])]).tolist()
    return Rows(
        torch.cat([part.histories + first for part, first in zip(parts, items, strict=True)]),
        torch.cat([part.lengths for part in parts]),
        torch.cat([part.targets + first for part, first in zip(parts, items, strict=True)]),
        torch.cat([part.users + first for part, first in zip(parts, users, strict=True)]),
    )


def draw_rows(users: np.ndarray, later_half: bool, rng: np.random.Generator) -> np.ndarray:
    """One row of every user, uniformly, as row numbers in random order; ``users`` (N,) is the user of each row.

    A user with n training items has n - 1 rows, whose targets are items 1 to n - 1, counted from 0. With
    ``later_half`` only targets from item (n - 1) // 2 on are drawn. As the authors', but that no history is empty.
    """
    order = np.argsort(users, kind="stable")
    first = np.unique(users[order], return_index=True)[1]
    counts = np.diff([*first, len(users)])
    earliest = np.maximum(0, counts // 2 - 1) if later_half else np.zeros_like(counts)
    chosen = earliest + (rng.random(len(counts)) * (counts - earliest)).astype(np.int64)
    return rng.permutation(order[first + chosen])


class PretrainingData(NamedTuple):
    """``attributes`` of the items of all data sets, one after another, to which the rows' places refer."""

    names: list[str]
    attributes: list[dict[str, str]]
    train: Rows
    valid: Rows


def pretraining_data(prepared: Prepared, datasets: Sequence[str]) -> PretrainingData:
    """The ``datasets`` of pretrain_datasets, or the run's own. Nobody's last event (the test target) is in it.

    Another data set is read with what its own YAML says. Raises ``DataError`` where one is missing.
    """
    names = [str(name) for name in datasets or [prepared.name]]
    attributes, train, valid = [], [], []
    for source in map(prepared.on, names):
        settings = settings_of(RecformerSettings, source.config)
        attributes.append(attributes_of(source, settings.recformer_attributes))
        train.append(rows_of(source.splits[0]))
        valid.append(rows_of(source.splits[1]))
    sizes = [len(items) for items in attributes]
    everything = [item for items in attributes for item in items]
    return PretrainingData(names, everything, joined(train, sizes), joined(valid, sizes))
