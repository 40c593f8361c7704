"""Each user's items, oldest first, without those that a stage must not see."""

from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.plugin.data.events import Events

__all__ = ["histories_of", "split_by_user", "training_sequences", "user_sequences"]


def user_sequences(events: Events, held_out: int) -> list[np.ndarray]:
    """Item ids (int64, from 1) of each user without the newest ``held_out``; users with fewer than 2 are dropped."""
    kept = events.newer >= held_out
    return split_by_user(events.users[kept], events.items[kept])


def split_by_user(users: Any, items: np.ndarray) -> list[np.ndarray]:
    """(n_events,) ``users`` and ``items``, oldest first -> the items of each user with at least two.

    The users come in the order of their first event.
    """
    numbers, _ = pd.factorize(users)
    order = np.argsort(numbers, kind="stable")
    borders = np.flatnonzero(np.diff(numbers[order])) + 1
    return [sequence for sequence in np.split(items[order], borders) if len(sequence) > 1]


def training_sequences(events: Events) -> list[list[int]]:
    """Each user's training items, oldest first, as places in the catalogue; the users in the order of their ids.

    These are the users and items of the rows that RecBole trains on, of which none is longer than
    ``MAX_ITEM_LIST_LENGTH``; the sequences are.
    """
    order = np.argsort(events.users[events.training], kind="stable")
    users, places = events.users[events.training][order], events.items[events.training][order] - 1
    return [sequence.tolist() for sequence in split_by_user(users, places)]


def histories_of(events: Events, part: str) -> list[list[int]]:
    """The items before each target of ``part``, oldest first, as places in the catalogue, in the order of the targets.

    All of them: of ``MAX_ITEM_LIST_LENGTH`` models read the newest.
    """
    items = pd.Series(events.items - 1).groupby(events.users)
    sequences, place = {user: found.tolist() for user, found in items}, items.cumcount().to_numpy()
    targets = np.flatnonzero(events.parts == part)
    return [sequences[events.users[row]][: place[row]] for row in targets]
