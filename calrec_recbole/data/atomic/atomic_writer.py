"""Writes `.inter` and `.item` so that RecBole, `csv` and ``atomic_reader`` read back every character.

Dialect: tab separated, `"` doubled inside quoted fields, "\n" at line ends, UTF-8. It is what RecBole's
`pd.read_csv(sep="\t", engine="python")` reads; a field that begins with a bare `"` would stop it. A missing value is an
empty field. https://recbole.io/docs/user_guide/data/atomic_files.html
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["write_inter", "write_item"]

ROWS = 100_000  # rows formatted at once


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(header)
        writer.writerows(rows)


def _number_text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _inter_rows(
    part: pd.DataFrame, users: Sequence[str], items: Sequence[str], rated: bool
) -> Iterator[tuple[str, ...]]:
    columns: list[Iterable[str]] = [
        (users[code] for code in part["user_id"].tolist()),
        (items[code] for code in part["item_id"].tolist()),
        map(_number_text, part["timestamp"].tolist()),
    ]
    if rated:
        columns.append(f"{rating:g}" for rating in part["rating"].tolist())
    yield from zip(*columns, strict=True)


def write_inter(path: Path, events: pd.DataFrame, users: Sequence[str], items: Sequence[str]) -> None:
    """Events in order of time over all users; equal timestamps keep the order of the rows.

    The id columns index ``users`` and ``items``. Chronological, because RecBole holds timestamps as float32, where near
    ones become equal, and then sorts stably. ``rating`` is written only where every event has one: RecBole fills a
    missing float with the mean.
    """
    rated = "rating" in events.columns and not events["rating"].isna().any()
    header = ["user_id:token", "item_id:token", "timestamp:float"] + ["rating:float"] * rated
    order = np.argsort(events["timestamp"].to_numpy(), kind="stable")
    parts = (events.iloc[order[start : start + ROWS]] for start in range(0, len(order), ROWS))
    _write(path, header, chain.from_iterable(_inter_rows(part, users, items, rated) for part in parts))


def write_item(path: Path, fields: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    """One row an item: its id, then the text of each of ``fields``, as tokens (RecBole's ``token`` keeps spaces)."""
    _write(path, ["item_id:token", *(f"{field}:token" for field in fields)], rows)
