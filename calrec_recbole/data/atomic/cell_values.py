"""A cell of an atomic file as an id, a number or a time; ``BadLineError`` says why it is none."""

import math
import re
from datetime import UTC, datetime

from calrec_recbole.data.raw_file import BadLineError

__all__ = ["LARGEST", "LATEST", "MISSING", "identifier", "moment", "number"]

MISSING = ("", "nan", "NaN", "None", "<NA>")  # a cell without a value, as pandas and RecSysDatasets write it
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
LATEST = 1e19  # a time from here on is none: today's in nanoseconds are 1.7e18
LARGEST = 3.4e38  # RecBole holds numbers as float32


def identifier(text: str, field: str) -> str:
    """Any text that is not blank; "NA", "None" and "null" are ids as others are."""
    if not text.strip():
        raise BadLineError(f"{field} is empty")
    return text


def number(text: str, field: str) -> float:
    """A finite number."""
    word = text.strip()
    if not word:
        raise BadLineError(f"{field} is empty")
    value = float(word) if NUMBER.fullmatch(word) else math.nan
    if not abs(value) < LARGEST:
        raise BadLineError(f"{field} is no finite number")
    return value


def moment(text: str, field: str) -> float:
    """A time: a finite number, or a date as ISO 8601 writes it, in seconds since 1970 (UTC where it names no zone)."""
    word = text.strip()
    if not word:
        raise BadLineError(f"{field} is empty")
    value = float(word) if NUMBER.fullmatch(word) else _seconds(word)
    if not abs(value) < LATEST:
        raise BadLineError(f"{field} is no finite number or ISO date")
    return value


def _seconds(word: str) -> float:
    try:
        date = datetime.fromisoformat(word)
    except ValueError:
        return math.nan
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
