"""CSV files of a report: numbers as Python writes them; no text that a spreadsheet would compute."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from calrec_recbole.durable_files import write_text
from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import reading

__all__ = ["read_frame", "write_frame"]

FORMULA = tuple("=+-@\t\r")  # how a spreadsheet's formula begins


def write_frame(frame: pd.DataFrame, file: Path) -> None:
    """``frame`` without its index; a text that begins like a formula gets an apostrophe before it."""
    texts = frame.select_dtypes(["object", "string"])
    write_text(file, frame.assign(**{str(name): texts[name].map(_quoted) for name in texts}).to_csv(index=False))


def read_frame(file: Path, texts: Collection[str], numbers: Collection[str], advice: str) -> pd.DataFrame:
    """What ``write_frame`` wrote: the columns ``texts`` as they were, all others as numbers.

    Raises ``DataError`` for a file that lacks one of ``texts`` or ``numbers``, and for what is no number.
    """
    with reading(f"{file} cannot be read", advice):
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    lacking = [name for name in (*texts, *numbers) if name not in frame]
    if lacking:
        raise DataError(f"{file} lacks the column(s) {', '.join(lacking)}: {advice}")
    with reading(f"{file} cannot be read", advice):
        columns = {str(name): _texts(frame[name]) if name in texts else _numbers(frame[name]) for name in frame}
    return pd.DataFrame(columns)


def _quoted(value: object) -> object:
    """Quotes also what looks quoted, so that ``_unquoted`` gives every text back."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA) else value


def _unquoted(text: str) -> str:
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text


def _texts(column: "pd.Series[str]") -> "pd.Series[str]":
    return column.map(_unquoted)


def _numbers(column: "pd.Series[str]") -> pd.Series:
    whole = column.str.fullmatch(r"-?\d{1,18}").all()
    return column.astype("int64") if whole else column.replace("", "nan").astype("float64")  # float() rounds exactly
