"""The rows of `.item`, each item once: what every model reads of the items."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from calrec_recbole.data.atomic.atomic_reader import AtomicFile, AtomicSettings
from calrec_recbole.data.atomic.cell_values import MISSING, identifier
from calrec_recbole.errors import DataError

__all__ = ["ItemRows", "read_item_rows"]


@dataclass(frozen=True)
class ItemRows:
    """``cells``: item id -> its cells in the order of ``names``, "" where there is no value.

    Of several rows of an item the first that is not empty counts; ``repeated`` counts the others, ``dropped`` the rows
    that could not be used. ``notes``: one line for each thing that a reader should know.
    """

    path: Path
    names: list[str]
    types: list[str]
    seq_separator: str
    cells: dict[str, list[str]]
    repeated: int = 0
    dropped: int = 0
    notes: tuple[str, ...] = ()

    def columns(self, items: Sequence[str], fields: Sequence[str], setting: str) -> list[dict[str, str]]:
        """The texts of ``fields`` of each of ``items``, "" where there is no row; parts of a sequence one space apart.

        ``setting`` names the fields, for the ``DataError`` of a missing column.
        """
        lacking = [field for field in fields if field not in self.names]
        if lacking:
            raise DataError(f"{self.path} has no column {lacking[0]!r}, only {self.names}: mend {setting}")
        places = [self.names.index(field) for field in fields]
        nothing = [""] * len(self.names)
        rows = (self.cells.get(item, nothing) for item in items)
        return [{field: self._text(row, place) for field, place in zip(fields, places, strict=True)} for row in rows]

    def _text(self, row: list[str], place: int) -> str:
        if self.types[place] != "token_seq" or self.seq_separator == " ":
            return row[place]
        return " ".join(part.strip() for part in row[place].split(self.seq_separator) if part.strip())


def read_item_rows(path: Path, settings: AtomicSettings, wanted: Collection[str] | None = None) -> ItemRows:
    """The rows of the ``wanted`` items (None: all) in the order of the file.

    Raises ``DataError`` for a file that cannot be read, without a column of ids, or with rows that cannot be used
    unless ``bad_rows`` drops them.
    """
    cells: dict[str, list[str]] = {}
    repeated = 0
    with AtomicFile(path, settings) as file:
        place = _place_of_id(file)
        for row in file.rows(lambda row: _row(row, place)):
            if wanted is not None and row[place] not in wanted:
                continue
            known = cells.get(row[place])
            repeated += known is not None
            if known is None or not any(known[:place] + known[place + 1 :]):
                cells[row[place]] = row
        dropped = file.settle()
    said = f"{path.name}: {repeated} rows repeat an item; the first that is not empty counts" if repeated else ""
    notes = tuple(note for note in (file.renamed, dropped, said) if note)
    names = [settings.ITEM_ID_FIELD if n == place else name for n, name in enumerate(file.names)]
    return ItemRows(path, names, file.types, settings.seq_separator, cells, repeated, file.bad.total, notes)


def _row(cells: list[str], place: int) -> list[str]:
    """``cells`` with "" for what is missing, and the id at ``place`` as it is."""
    item = identifier(cells[place], "the item's id")
    return [item if n == place else "" if cell.strip() in MISSING else cell for n, cell in enumerate(cells)]


def _place_of_id(file: AtomicFile) -> int:
    """The column ``ITEM_ID_FIELD``; where there is none, ``id``, as in RecBole's steam."""
    name = file.settings.ITEM_ID_FIELD
    if name not in file.names and "id" in file.names:
        name = "id"
    if name not in file.names:
        raise DataError(f"{file.path} has no column {name!r}, only {file.names}: mend ITEM_ID_FIELD")
    return file.names.index(name)
