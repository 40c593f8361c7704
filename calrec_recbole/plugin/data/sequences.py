"""Each user's items, oldest first, without those that a stage must not see."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["longest_sequences", "split_by_user", "user_sequences"]


def user_sequences(dataset: Any, held_out: int) -> list[np.ndarray]:
    """Item ids (int64, from 1) of each user without the newest ``held_out``; users with fewer than 2 left are dropped.

    ``dataset`` is not built yet: its events are those of the file, in chronological order.
    """
    rows = dataset.inter_feat
    kept = rows.groupby(dataset.uid_field).cumcount(ascending=False) >= held_out
    return split_by_user(rows[dataset.uid_field][kept], rows[dataset.iid_field][kept].to_numpy(dtype=np.int64))


def split_by_user(users: Any, items: np.ndarray) -> list[np.ndarray]:
    """(n_events,) ``users`` and ``items``, oldest first -> the items of each user with at least two.

    The users come in the order of their first event.
    """
    numbers, _ = pd.factorize(users)
    order = np.argsort(numbers, kind="stable")
    borders = np.flatnonzero(np.diff(numbers[order])) + 1
    return [sequence for sequence in np.split(items[order], borders) if len(sequence) > 1]


def longest_sequences(dataset: Any) -> list[list[int]]:
    """Each user's training items, oldest first, as places in the catalogue, from the rows of RecBole's training split.

    RecBole makes a row of every prefix, each with the next item as its target: a user's first item is the history of
    the shortest row, the others are the targets. No row is longer than ``MAX_ITEM_LIST_LENGTH``; the sequences are.
    """
    rows = dataset.inter_feat
    users, lengths = rows[dataset.uid_field].tolist(), rows[dataset.item_list_length_field].tolist()
    histories, targets = rows[dataset.item_id_list_field], rows[dataset.iid_field].tolist()
    sequences: dict[int, list[int]] = {}
    for row, user in enumerate(users):
        if user not in sequences:
            assert lengths[row] == 1, "RecBole orders a user's rows by length"
            sequences[user] = [int(histories[row, 0]) - 1]
        sequences[user].append(targets[row] - 1)
    return [sequences[user] for user in sorted(sequences)]
