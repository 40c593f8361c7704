"""Two tables of one's own -> RecBole's atomic files: who bought what and when, and what the items are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.data.amazon import NOT_AN_ID
from calrec_recbole.data.filters import drop_short_users
from calrec_recbole.data.metadata import ATTRIBUTES
from calrec_recbole.data.own.table_files import TableFile
from calrec_recbole.data.own.table_times import ORDER, seconds_of
from calrec_recbole.data.pipeline import check_minimum, check_name, item_order, require_ours, write_prepared
from calrec_recbole.data.texts import attribute_text
from calrec_recbole.errors import ConfigError, DataError, must_be_one_of

__all__ = ["Columns", "import_tables"]

BAD_ROWS = ("error", "drop")
SHOWN = 5  # numbers of bad rows, for each reason


@dataclass(frozen=True)
class Columns:
    """Whose columns are what: of the interactions ``user, item, time, rating``; of the items ``item_key`` (None: as
    ``item``) and the attributes, by name. An attribute without a column is ``""``."""

    user: str
    item: str
    time: str
    rating: str | None = None
    item_key: str | None = None
    attributes: dict[str, str | None] = field(default_factory=dict)


def import_tables(
    interactions: TableFile,
    items: TableFile | None,
    columns: Columns,
    out: Path,
    name: str,
    *,
    time_format: str | None = None,
    bad_rows: str = "error",
    min_user_events: int = 1,
) -> dict[str, Any]:
    """Writes `out/<name>/<name>.inter`, `.item` and `.prepare.json`; returns the summary that the latter holds.

    Events go in order of time; equal times keep the order of the rows. Nothing is taken for a duplicate. Of an item's
    several rows the first with a text counts. Without ``items`` every text is empty (read as "Unknown").

    Raises:
        ConfigError: a column is not there, or a value is none of its kind.
        DataError: rows that cannot be used, with their numbers, unless ``bad_rows`` is "drop"; nothing is left; the
            folder holds something else.
    """
    must_be_one_of("--bad_rows", bad_rows, BAD_ROWS)
    check_name(name)
    check_minimum(min_user_events)
    require_ours(out / name)
    events, bad, times = _events(interactions, columns, time_format)
    texts, bad_items = _texts(items, columns) if items else ({}, {})
    found = {file.shown: one for file, one in ((interactions, bad), (items, bad_items)) if file and one}
    if found and bad_rows == "error":
        raise DataError("; ".join(f"{file}: {_said(one)}" for file, one in found.items()) + "; or add --bad_rows=drop")
    users, codes = _coded(events["user_id"])
    item_ids, item_codes = _coded(events["item_id"])
    raw = len(events)
    events = drop_short_users(events.assign(user_id=codes, item_id=item_codes), min_user_events)
    if not len(events):
        raise DataError(
            f"nothing is left of {interactions.shown}: {raw} events with --min_user_events={min_user_events}"
        )
    candidates = [item_ids[code] for code in item_order(events)]
    nothing = ("",) * len(ATTRIBUTES)
    rows = [(item, *texts.get(item, nothing)) for item in candidates]
    summary = {
        "settings": {"name": name, "dedup": False, "min_user_events": min_user_events, "times": times},
        "counts": {
            "raw_events": raw,
            "users": int(events["user_id"].nunique()),
            "items": len(candidates),
            "events": len(events),
            "items_without_row": sum(item not in texts for item in candidates),
        },
        "span": [_moment(events["timestamp"].min(), times), _moment(events["timestamp"].max(), times)],
        "missing": {attribute: sum(not row[i] for row in rows) for i, attribute in enumerate(ATTRIBUTES, 1)},
        "bad_rows": {file: {why: len(numbers) for why, numbers in one.items()} for file, one in found.items()},
    }
    return write_prepared(out, name, events, users, item_ids, rows, summary)


def _events(
    file: TableFile, columns: Columns, time_format: str | None
) -> tuple[pd.DataFrame, dict[str, list[int]], str]:
    """The usable events, the numbers of the other rows by reason, and what the times were taken for."""
    user, item, time = (
        file.column(f"--{name}", value)
        for name, value in zip(("user", "item", "time"), (columns.user, columns.item, columns.time), strict=True)
    )
    rating = file.column("--rating", columns.rating)
    table = file.read([user, item, time, *([rating] if rating else [])])
    users, items = _ids(table.rows[user]), _ids(table.rows[item])
    seconds, said = seconds_of(table.rows[time], f"--time={time}", time_format)
    reasons = {
        f"{user} is no id": users.isna().to_numpy(),
        f"{item} is no id": items.isna().to_numpy(),
        f"{time} is no time": np.isnan(seconds),
    }
    events = pd.DataFrame({"user_id": users, "item_id": items, "timestamp": seconds})
    if rating:
        events["rating"] = pd.to_numeric(table.rows[rating], errors="coerce").astype(np.float32)
    bad = dict(table.bad)
    unusable = np.zeros(len(events), dtype=bool)
    for why, here in reasons.items():
        if (here & ~unusable).any():
            bad[why] = (np.flatnonzero(here & ~unusable) + 1).tolist()
        unusable |= here
    return events[~unusable], bad, said


def _moment(seconds: float, times: str) -> str:
    """For people: a date, but for numbers that are none."""
    return f"{seconds:g}" if times == ORDER else str(datetime.fromtimestamp(seconds, UTC).replace(microsecond=0))


def _ids(values: pd.Series) -> pd.Series:
    """Ids as text; NA where a cell is blank or holds what no table can."""
    if values.dtype.kind == "f" or (values.dtype == object and any(isinstance(one, float) for one in values)):
        values = values.map(lambda one: int(one) if isinstance(one, float) and one == one and one % 1 == 0 else one)
    text = values.astype("string")
    return text.mask(text.map(_is_no_id, na_action="ignore").fillna(True).astype(bool))


def _is_no_id(text: str) -> bool:
    return not text.strip() or bool(NOT_AN_ID.search(text))


def _coded(ids: pd.Series) -> tuple[list[str], np.ndarray]:
    """The distinct ids in order of first appearance, and their places (int32)."""
    codes, names = pd.factorize(ids)
    return [str(name) for name in names], codes.astype(np.int32)


def _texts(file: TableFile, columns: Columns) -> tuple[dict[str, tuple[str, ...]], dict[str, list[int]]]:
    """Item -> its attributes, "" where missing; and the numbers of the unusable rows by reason."""
    option = "--items_item" if columns.item_key else "--item"
    key = file.column(option, columns.item_key or columns.item)
    named = {name: file.column(f"--{name}", columns.attributes.get(name), name) for name in ATTRIBUTES}
    if not any(named.values()):
        raise ConfigError(
            f"{file.shown}: none of its columns is named by --title, --category, --brand or --price; its columns are "
            f"{', '.join(file.columns)}"
        )
    table = file.read([key, *filter(None, named.values())])
    ids = _ids(table.rows[key])
    cells = [table.rows[column].map(_text) if column else pd.Series("", table.rows.index) for column in named.values()]
    texts: dict[str, tuple[str, ...]] = {}
    for item, *row in zip(ids, *cells, strict=True):
        if not pd.isna(item) and not any(texts.get(item, ())):
            texts[item] = tuple(row)
    bad = dict(table.bad)
    if ids.isna().any():
        bad[f"{key} is no id"] = (np.flatnonzero(ids.isna()) + 1).tolist()
    return texts, bad


def _text(value: Any) -> str:
    """A cell as one line of text: a list's parts in a row, a number by its digits."""
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(filter(None, map(_text, value)))
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float) and value % 1 == 0:
        value = int(value)
    return attribute_text(str(value)).text


def _said(bad: dict[str, list[int]]) -> str:
    """``3 rows cannot be used: time is no time (2: rows 4, 9)``."""
    total = sum(map(len, bad.values()))
    parts = [f"{why} ({_numbers(numbers)})" for why, numbers in bad.items()]
    return f"{total} {'row' if total == 1 else 'rows'} cannot be used: {', '.join(parts)}"


def _numbers(numbers: Sequence[int]) -> str:
    """``row 4``, ``rows 4, 9`` or ``1,200 rows: 4, 9, ...``; 0 stands for a number that is not kept."""
    known = ", ".join(str(number) for number in numbers[:SHOWN] if number)
    if len(numbers) > SHOWN:
        return f"{len(numbers):,} rows: {known}, ..."
    return f"{'row' if len(numbers) == 1 else 'rows'} {known}"
