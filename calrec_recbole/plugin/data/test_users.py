"""What ``evaluation.user_slices`` needs to know of a data set's test users, from the events of its split."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from calrec_recbole.evaluation.user_slices import user_slices
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.split import PARTS
from calrec_recbole.plugin.reload import prepared_of_run

__all__ = ["facts_of_run", "user_facts", "user_slices"]


def facts_of_run(run: str | Path, data_path: str | Path | None = None) -> pd.DataFrame:
    """``user_facts`` of the data that the finished run in folder ``run`` was evaluated on.

    ``data_path`` says where the prepared data sets lie by now. Raises ``DataError`` where the data are others.
    """
    return user_facts(prepared_of_run(run, data_path))


def user_facts(prepared: Prepared) -> pd.DataFrame:
    """A row a test user of a data set, sorted by ``user_id`` (the index).

    Columns: ``target`` and ``last_item`` (original ids), ``history_length`` (all items before the target, also where a
    model reads the newest 50 only), ``seen_before`` (the history holds the target), ``training_count`` and
    ``validation_count`` (events with the target in the training and the validation part, of any user), ``hops`` (1
    where a training step leads from the last item to the target, 2 where two do, else 0).
    """
    read = prepared.events
    events = pd.DataFrame({"user": read.users, "item": read.items, "part": read.parts})
    items, users = (np.array(tokens, dtype=object) for tokens in (prepared.items, prepared.users))
    counts = {part: np.bincount(events["item"][events["part"] == part], minlength=len(items)) for part in PARTS}
    target = events[events["part"] == "test"].set_index("user")["item"].sort_index()  # as groupby sorts
    older = events[
        (events["part"] != "test") & events["user"].isin(target.index)
    ]  # a target is its user's newest event
    history, pairs = older.groupby("user"), set(zip(older["user"], older["item"], strict=True))
    facts = {
        "target": items[target],
        "last_item": items[history["item"].last()],
        "history_length": history.size().to_numpy(),
        "seen_before": [pair in pairs for pair in target.items()],
        "training_count": counts["training"][target],
        "validation_count": counts["validation"][target],
        "hops": _hops(read.transitions(len(items)), history["item"].last().to_numpy(), target.to_numpy()),
    }
    return pd.DataFrame(facts, index=pd.Index(users[target.index], name="user_id")).sort_index()


def _hops(steps: sparse.csr_array, last: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n,) last items and targets -> 1, 2 or 0, the steps between them."""
    one = np.asarray(steps[last, target]).ravel() > 0
    two = np.asarray(steps[last].multiply(steps.T.tocsr()[target]).sum(axis=1)).ravel() > 0  # an item between them
    return np.where(one, 1, np.where(two, 2, 0))
