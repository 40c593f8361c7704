"""Table 1 of the data sets of a report, the paper's row beside each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calrec_recbole.data.dataset_statistics import Statistics, statistics
from calrec_recbole.errors import DataError
from calrec_recbole.paper import paper_statistics

__all__ = ["FIELDS", "DataColumn", "data_table"]

FIELDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "users": ("Users", "{:,}".format),
    "items": ("Items", "{:,}".format),
    "purchases": ("Purchases", "{:,}".format),
    "duplicates": ("Duplicates before dedup, %", "{:.1f}".format),
    "items_per_user": ("Items a user", "{:.2f}".format),
    "purchases_per_item": ("Purchases an item", "{:.2f}".format),
    "density": ("Density", "{:.2g}".format),
    "words_per_item": ("Words an item", "{:.2f}".format),
    "word_vocabulary": ("Distinct words", "{:,}".format),
    "word_frequency": ("Occurrences a word", "{:.1f}".format),
}


@dataclass(frozen=True)
class DataColumn:
    """A data set's numbers by their titles; ``missing`` says why there are none."""

    name: str
    values: Mapping[str, str]
    paper: bool = False
    missing: str = ""


def data_table(folders: Mapping[str, str]) -> list[DataColumn]:
    """``folders``: data set -> its folder; each column is followed by the paper's where it has one."""
    columns = []
    for name, folder in folders.items():
        columns.append(_ours(name, Path(folder)))
        if name in paper_statistics():
            columns.append(DataColumn(name, _texts(paper_statistics()[name]), paper=True))
    return columns


def _ours(name: str, folder: Path) -> DataColumn:
    if not (folder / f"{folder.name}.inter").is_file():
        return DataColumn(name, {}, missing="not prepared on this machine")
    try:
        return DataColumn(name, _texts(statistics(folder)))
    except DataError as problem:
        return DataColumn(name, {}, missing=str(problem))


def _texts(found: Statistics) -> dict[str, str]:
    values = {title: (getattr(found, field), text) for field, (title, text) in FIELDS.items()}
    return {title: "–" if value is None else text(value) for title, (value, text) in values.items()}
