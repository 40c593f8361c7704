"""User sequence deduplication (section 4): exact repeats of the event before are dropped."""

import numpy as np
import pandas as pd

from calrec_recbole.errors import DataError

__all__ = ["drop_consecutive_duplicates", "drop_duplicates_of_regrouped_events"]

REQUIRED = ("user_id", "item_id", "timestamp")
COMPARED = ("user_id", "item_id", "timestamp", "rating", "text")


def drop_consecutive_duplicates(events: pd.DataFrame) -> pd.DataFrame:
    """Events without those that repeat the user's event just before: section 4, "User Sequence Deduplication".

    Columns ``user_id, item_id, timestamp`` and, where present, ``rating`` and ``text`` (the review's text or a hash of
    it); a column that is missing is not compared, others are ignored. Every user's events are put in order of
    ``timestamp``; equal timestamps keep the order of the rows. An event is dropped when all compared columns equal
    those of the event before it in that order, so of a run of repeats the first stays. Two missing values (NaN, None)
    count as equal. The same item at another time, with another rating or text, or after another item, stays.

    Returns the remaining rows as they were: same columns, same index labels, same order; ``events`` is not changed.

    Raises:
        DataError: one of the three required columns is missing.
    """
    missing = [name for name in REQUIRED if name not in events.columns]
    if missing:
        raise DataError(f"events lack the column(s) {', '.join(missing)}; needed are {', '.join(REQUIRED)}")
    order = np.lexsort((pd.factorize(events["timestamp"], sort=True)[0], pd.factorize(events["user_id"])[0]))
    repeats = np.ones(max(len(events) - 1, 0), dtype=bool)
    for name in COMPARED:
        if name in events.columns:
            codes = pd.factorize(events[name])[0][order]  # missing values share the code -1
            repeats &= codes[1:] == codes[:-1]
    keep = np.ones(len(events), dtype=bool)
    keep[order[1:][repeats]] = False
    return events[keep]


def drop_duplicates_of_regrouped_events(events: pd.DataFrame) -> pd.DataFrame:
    """The same for a copy in another order than UCSD's: one user's events of one time are compared item by item.

    UCSD's files stand mostly grouped by item, so after a stable sort the events of one item at one time are mostly
    neighbours. A copy regrouped by user may have put another item of the same time between them, which hides a repeat
    from ``drop_consecutive_duplicates``. Here rows are compared in the order (user, timestamp, item); the rows that
    remain come back in the given order.
    """
    items = pd.factorize(events["item_id"])[0]
    times = pd.factorize(events["timestamp"], sort=True)[0]
    users = pd.factorize(events["user_id"])[0]
    rows = np.lexsort((items, times, users))
    kept = drop_consecutive_duplicates(events.iloc[rows].assign(row=rows))
    return events.iloc[np.sort(kept["row"].to_numpy())]
