"""What is known of a data set before any model runs on it: rows, users, splits, texts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from calrec_recbole.data.pipeline import summary_file
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.split import PARTS, filled_share

__all__ = ["checked"]

Rows = Iterator[tuple[str, str]]
UNITS = {1: "s", 1_000: "ms", 1_000_000: "us", 1_000_000_000: "ns"}
FIRST_YEAR, LAST_YEAR = 1980, 2100  # of a time that is taken for one in its unit


def checked(prepared: Prepared) -> dict[str, list[tuple[str, str]]]:
    """Section -> (what, how much): files, events, split, texts. Raises ``DataError`` where ``.inter`` cannot be read.

    What ``.item`` lacks is said in the section of texts.
    """
    events = list(_events(prepared))
    parts, texts = list(_parts(prepared)), list(_texts(prepared))
    return {"Files": list(_files(prepared)), "Events": events, "Split": parts, "Texts": texts}


def _files(prepared: Prepared) -> Rows:
    yield "folder", str(prepared.folder)
    if summary_file(prepared.folder).is_file():
        edited = ", ".join(prepared.edited)
        yield "since `calrec prepare`", f"edited: {edited}" if edited else "as written"
    else:
        yield "since `calrec prepare`", "not made by it"
    for kind, digest in prepared.hashes.items():
        yield f".{kind}, SHA-256", digest
    yield "rows that cannot be used", f"{prepared.dropped:,}" + (" (see below)" if prepared.dropped else "")


def _events(prepared: Prepared) -> Rows:
    events = prepared.events
    counts = np.bincount(events.users)[1:]
    counts = counts[counts > 0]
    yield "events", f"{len(events.users):,}"
    yield "users", f"{len(counts):,}"
    yield "items with an event", f"{len(np.unique(events.items)):,}"
    yield "events a user", f"{counts.mean():.2f} (median {np.median(counts):.0f}, {counts.min():,} to {counts.max():,})"
    yield "times", _span(events.times)
    table = pd.DataFrame({"user": events.users, "item": events.items, "time": events.times})
    yield "events at the time of another of the user", _share(int(table.duplicated(["user", "time"]).sum()), len(table))
    before = table.groupby("user").shift()
    again = (before["item"] == table["item"]) & (before["time"] == table["time"])
    yield "events that repeat the one before", _share(int(again.sum()), len(table))
    yield "gaps of exactly one day", f"{filled_share(events.users, events.times):.1%}"


def _parts(prepared: Prepared) -> Rows:
    events = prepared.events
    yield "split", str(prepared.split)
    for part in PARTS[1:]:
        yield f"{part} users", f"{int((events.parts == part).sum()):,}"
    yield "training events", f"{int(events.training.sum()):,}"
    users = len(np.unique(events.users))
    learnt = len(np.unique(events.users[events.training]))
    tested = events.parts == PARTS[2]
    yield "users that are not tested", _share(users - int(tested.sum()), users)
    yield "users without a training row", _share(users - learnt, users)
    unseen = ~np.isin(events.items[tested], events.items[events.training])
    yield "test targets that no training row holds", _share(int(unseen.sum()), int(tested.sum()))


def _texts(prepared: Prepared) -> Rows:
    try:
        catalogue, rows = prepared.catalogue, prepared.rows
    except CalrecError as problem:
        yield "none", str(problem)
        return
    items = len(catalogue)
    distinct, group = catalogue.distinct_texts
    sizes = np.bincount(group)
    fields = [attribute.field for attribute in catalogue.template]
    yield "template", ", ".join(f"{one.label} <- {one.field}" for one in catalogue.template)
    yield "items without a row", _share(sum(item not in rows.cells for item in catalogue.item_ids), items)
    yield "rows that repeat an item", f"{rows.repeated:,}"
    yield "rows of .item that cannot be used", f"{rows.dropped:,}"
    values = rows.columns(catalogue.item_ids, fields, "item_attributes")
    missing = Counter(field for row in values for field in fields if not row[field].strip())
    for field in fields:
        yield f"items without {field}", _share(missing[field], items)
    yield "distinct texts", f"{len(distinct):,}"
    yield "items that share their text", _share(int(sizes[sizes > 1].sum()), items)
    yield "largest group of one text", f"{sizes.max():,}"
    tied = np.isin(prepared.events.items[prepared.events.parts == PARTS[2]] - 1, np.flatnonzero(sizes[group] > 1))
    yield "test targets that share their text", _share(int(tied.sum()), len(tied))


def _share(count: int, whole: int) -> str:
    return f"{count:,} ({count / whole:.1%})" if whole else "0"


def _span(times: np.ndarray) -> str:
    """The first and the last time: dates in the unit in which both are plausible, else the numbers."""
    for unit, name in UNITS.items():
        ends = times.min() / unit, times.max() / unit
        if all(_seconds(FIRST_YEAR) <= end < _seconds(LAST_YEAR) for end in ends):
            first, last = (datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d") for end in ends)
            return f"{first} to {last} (in {name})"
    return f"{times.min():g} to {times.max():g} (no unit in which they are dates)"


def _seconds(year: int) -> float:
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()
