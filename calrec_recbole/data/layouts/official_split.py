"""The official splits of Amazon Reviews 2023: three files that are read as one, and held against our splits.

`benchmark/5core/last_out/X.{train,valid,test}.csv` cut off each user's last two events, `timestamp/` cuts all users at
two points in time; `*_w_his` repeat the earlier items of each row as a column, which is not read.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.errors import DataError

__all__ = ["compare_splits", "parts_of"]

PARTS = ("train", "valid", "test")
PART = re.compile(rf"(.+)\.({'|'.join(PARTS)})(\.csv(?:\.gz)?)")


def parts_of(reviews: Path) -> list[Path]:
    """The three files of an official split, ``reviews`` being one of them; of any other file the file itself.

    Raises:
        DataError: one of the three is missing.
    """
    found = PART.fullmatch(reviews.name)
    if not found:
        return [reviews]
    files = [reviews.with_name(f"{found[1]}.{part}{found[3]}") for part in PARTS]
    for file in files:
        if not file.is_file():
            raise DataError(
                f"{reviews} is a part of an official split, and {file} is not there: the events are those of all three "
                f"(or give rating_only/{found[1]}.csv, which holds them in one)"
            )
    return files


def compare_splits(events: pd.DataFrame) -> dict[str, Any]:
    """What our split makes of the official one; ``part`` (0, 1, 2) says in which of the three files an event was.

    ``events`` has ``user_id, timestamp, part``; equal timestamps keep the order of the rows. Of a split in time:
    ``{"kind": "timestamp", "events": [train, valid, test], "global_time_shares": [...]}``, with the shares at which
    ``split: global_time`` cuts at the same two points. Of the other: ``{"kind": "last_out", "events": [...],
    "users": n, "users_as_leave_one_out": n}``.
    """
    counts = np.bincount(events["part"], minlength=len(PARTS)).tolist()
    if _cut_in_time(events):
        return {"kind": "timestamp", "events": counts, "global_time_shares": _shares(counts)}
    ordered = events.sort_values("timestamp", kind="stable")
    newer = ordered.groupby("user_id").cumcount(ascending=False)
    as_ours = ordered["part"].to_numpy() == np.maximum(2 - newer.to_numpy(), 0)
    same = pd.Series(as_ours).groupby(ordered["user_id"].to_numpy()).all()
    return {"kind": "last_out", "events": counts, "users": len(same), "users_as_leave_one_out": int(same.sum())}


def _cut_in_time(events: pd.DataFrame) -> bool:
    times = [events.loc[events["part"] == part, "timestamp"] for part in range(len(PARTS))]
    return all(len(older) and len(newer) and older.max() < newer.min() for older, newer in pairwise(times))


def _shares(counts: list[int]) -> list[float]:
    """Of all events, before, between and after the two points: each point lies between two events."""
    ends = (np.cumsum(counts)[:2] - 0.5) / (sum(counts) - 1)
    first, second = round(float(ends[0]), 9), round(float(ends[1] - ends[0]), 9)
    return [first, second, round(1 - first - second, 9)]
