"""Raw Amazon reviews -> events, in one pass and in bounded memory. Of a review's text only a hash is kept."""

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.data.atomic.cell_values import LARGEST, LATEST
from calrec_recbole.data.layouts.known_layouts import AMAZON2018, Layout
from calrec_recbole.data.raw_file import JSON_LINES, BadLineError, Container, RawFile

__all__ = ["Events", "read_parts", "read_reviews"]

NOT_AN_ID = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters and lone surrogates
READ_AS_MISSING = re.compile(  # what pandas.read_csv, and so RecBole, turns into a missing value
    r"#N/A|#N/A N/A|#NA|-?1\.#IND|-?1\.#QNAN|-?NaN|-?nan|<NA>|N/A|n/a|NA|NULL|null|None"
)


@dataclass(frozen=True)
class Events:
    """Events in file order.

    ``table`` has one row an event: ``user_id, item_id`` (int32 codes into ``users``, ``items``), ``timestamp``
    (float64, seconds), ``rating`` (float32, NaN where unknown), ``text`` (int64 hash of the review's text, 0 where
    there is none) and ``part`` (int8, which of the files that were read). ``users`` and ``items`` are the raw ids in
    order of first appearance.
    """

    table: pd.DataFrame
    users: list[str]
    items: list[str]


def _identifier(record: dict[str, Any], key: str, what: str) -> str:
    value = record.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadLineError(f"lacks {what} ({key})")
    if len(value) > LONGEST_ID or NOT_AN_ID.search(value) or READ_AS_MISSING.fullmatch(value):
        raise BadLineError(f"{what} id ({key}) that a table cannot hold")
    return value


def _number(value: Any) -> float:
    """A finite number, from a number or its text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _text_hash(text: Any) -> int:
    """64-bit hash of a review's text; 0 for none. Two different texts collide with probability 2^-64."""
    if not isinstance(text, str) or not text:
        return 0
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


LONGEST_ID = 131_072  # characters; what the csv module reads back


class _Columns:
    """The growing columns: 29 bytes an event, and every id once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.user, self.item = array("i"), array("i")
        self.time, self.rating, self.text, self.part = array("d"), array("f"), array("q"), array("b")

    def add(self, record: dict[str, Any], part: int) -> None:
        layout = self.layout
        user = _identifier(record, layout.user, "user")
        item = _identifier(record, layout.item, "item")
        time = _number(record.get(layout.time)) / layout.units_a_second
        if not abs(time) < LATEST:
            raise BadLineError(f"lacks time ({layout.time})")
        self.user.append(self.users.setdefault(user, len(self.users)))
        self.item.append(self.items.setdefault(item, len(self.items)))
        self.time.append(time)
        rating = _number(record.get(layout.rating))
        self.rating.append(rating if abs(rating) < LARGEST else math.nan)
        self.text.append(_text_hash(record.get(layout.text)))
        self.part.append(part)

    def events(self) -> Events:
        columns = {
            "user_id": np.frombuffer(self.user, dtype=np.int32),
            "item_id": np.frombuffer(self.item, dtype=np.int32),
            "timestamp": np.frombuffer(self.time, dtype=np.float64),
            "rating": np.frombuffer(self.rating, dtype=np.float32),
            "text": np.frombuffer(self.text, dtype=np.int64),
            "part": np.frombuffer(self.part, dtype=np.int8),
        }
        return Events(pd.DataFrame(columns, copy=False), list(self.users), list(self.items))


def read_reviews(path: Path, layout: Layout = AMAZON2018, container: Container = JSON_LINES) -> tuple[Events, RawFile]:
    """All events of a reviews file (plain or gzipped) in file order, and what was read and skipped.

    A record that cannot be parsed, or lacks user, item or time, is counted with its number in the returned
    ``RawFile.bad`` and skipped; it never stops the reading. So does gzip data that is cut off or damaged.
    """
    events, (file,) = read_parts([path], layout, container)
    return events, file


def read_parts(paths: Sequence[Path], layout: Layout, container: Container) -> tuple[Events, list[RawFile]]:
    """The same of several files of one layout, one after the other."""
    columns, files = _Columns(layout), [RawFile(path, container) for path in paths]
    for part, file in enumerate(files):
        for number, record in file.objects():
            try:
                columns.add(record, part)
            except BadLineError as error:
                file.bad.add(str(error), number)
    return columns.events(), files
