"""RecBole's tables of events, users and items from our rows: "NA" and "null" are text, no time is made up."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from recbole.utils import FeatureType

from calrec_recbole.data.atomic import MISSING, AtomicFile, AtomicSettings, ItemRows, identifier, moment, number
from calrec_recbole.data.raw_file import BadLineError
from calrec_recbole.errors import DataError

__all__ = ["FeatureTable", "feature_table", "item_table"]


class FeatureTable(NamedTuple):
    """``frame``: a column a field; ``types``: field -> RecBole's; ``dropped``: how many rows are left out.

    ``notes``: a line each for people.
    """

    frame: pd.DataFrame
    types: dict[str, FeatureType]
    dropped: int = 0
    notes: tuple[str, ...] = ()

    def longest(self, name: str) -> int:
        """Parts of the longest cell of a sequence; 1 of another field."""
        return max(map(len, self.frame[name]), default=0) if self.types[name].value.endswith("seq") else 1


def feature_table(
    path: Path, settings: AtomicSettings, keeps: Callable[[str], bool], of_events: bool = True
) -> FeatureTable:
    """The fields that RecBole ``keeps`` of any file but ``.item``.

    Ids are any text that is not blank, ``TIME_FIELD`` is a time whatever its type, and numbers are finite, those
    ``of_events`` never missing: RecBole would fill in the mean. Raises ``DataError`` for other rows and for a missing
    field of ids, unless ``bad_rows`` drops the rows.
    """
    with AtomicFile(path, settings) as file:
        for setting in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD") if of_events else ():
            file.place(getattr(settings, setting), setting)
        names = [name for name in file.names if keeps(name)]
        types = {name: _type(file, name) for name in names}
        readers = [(file.names.index(name), _reader(name, types[name], settings, of_events)) for name in names]
        frame = _frame(names, file.rows(lambda row: [read(row[place]) for place, read in readers]))
        notes = tuple(note for note in (file.renamed, file.settle()) if note)
        return FeatureTable(frame, types, file.bad.total, notes)


def item_table(rows: ItemRows, settings: AtomicSettings, keeps: Callable[[str], bool]) -> FeatureTable:
    """The fields that RecBole ``keeps`` of the items' rows; ``DataError`` for a number that is none."""
    names = [name for name in rows.names if keeps(name)]
    types = {name: FeatureType(rows.types[rows.names.index(name)]) for name in names}
    readers = [(rows.names.index(name), _reader(name, types[name], settings, whole=False)) for name in names]

    def read_row(item: str) -> list[Any]:
        try:
            return [read(rows.cells[item][place]) for place, read in readers]
        except BadLineError as problem:
            raise DataError(f"{rows.path} item {item!r}: {problem}: mend it, or leave it out of load_col") from None

    return FeatureTable(_frame(names, map(read_row, rows.cells)), types)


def _frame(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    columns: list[list[Any]] = [[] for _ in names]
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _type(file: AtomicFile, name: str) -> FeatureType:
    return FeatureType.FLOAT if name == file.settings.TIME_FIELD else FeatureType(file.type_of(name))


def _reader(name: str, kind: FeatureType, settings: AtomicSettings, whole: bool) -> Callable[[str], Any]:
    """How a cell of the field is read; ``whole``: a number must be there."""

    def parts(cell: str) -> list[str]:
        return [part for part in cell.split(settings.seq_separator) if part][: (settings.seq_len or {}).get(name)]

    if name in (settings.USER_ID_FIELD, settings.ITEM_ID_FIELD):
        once: dict[str, str] = {}  # an id is kept once, however many rows have it
        return lambda cell: once.setdefault(cell, identifier(cell, name))
    if name == settings.TIME_FIELD and whole:
        return lambda cell: moment(cell, name)
    if kind == FeatureType.FLOAT:
        return lambda cell: np.nan if not whole and cell.strip() in MISSING else number(cell, name)
    if kind == FeatureType.FLOAT_SEQ:
        return lambda cell: np.array([number(part, name) for part in parts(cell)])
    if kind == FeatureType.TOKEN_SEQ:
        return lambda cell: np.array(parts(cell))
    return lambda cell: cell or None
