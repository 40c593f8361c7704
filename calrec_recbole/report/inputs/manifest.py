"""What a report shows: the runs behind each row and how they came to be; kept in the results folder as JSON."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from calrec_recbole.durable_files import write_json
from calrec_recbole.stored_files import read_json, reading

__all__ = ["MANIFEST_FILE", "Entry", "Manifest", "from_here", "read_manifest"]

MANIFEST_FILE = "comparison.json"
AGAIN = "run calrec compare again"
SHAPE = {
    **{"name": str, "title": str, "command?": str, "notes?": [str], "paper?": int, "paper_datasets?": {...: str}},
    **{"data?": {...: str}, "reference?": str},
    "entries": [
        {**{key: str for key in ("label", "model", "dataset", "folder")}, "error?": str, "paper?": str},
    ],
}


def from_here(path: Path) -> str:
    """``path`` relative to the working folder where it lies below it: a published report names nobody's home."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@dataclass(frozen=True)
class Entry:
    """One run; entries of one label and data set are seeds of one row. ``folder`` is empty where there is none.

    ``paper``: the row's label in the paper's table, where that differs from ``label`` and ``model``.
    """

    label: str
    model: str
    dataset: str
    folder: str
    error: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Manifest:
    """What stands in comparison.json.

    ``paper``: the number of the paper's table beside ours, 0 = that of the main results, of our models only.
    ``paper_datasets``: our data set -> the paper's, where the names differ. ``data``: data set -> folder of its files,
    for its statistics. ``reference``: a label.
    """

    name: str
    title: str
    command: str = ""
    notes: list[str] = field(default_factory=list)
    paper: int = 0
    paper_datasets: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    reference: str = ""
    entries: list[Entry] = field(default_factory=list)

    def changed(self, **values: Any) -> "Manifest":
        """A copy with ``values`` in the place of its own, where they are not None."""
        return replace(self, **{key: value for key, value in values.items() if value is not None})

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST_FILE, asdict(self))


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a results folder. Raises ``DataError`` where it is not ours."""
    file = folder / MANIFEST_FILE
    found = read_json(file, AGAIN, SHAPE)
    with reading(f"{file} is no comparison", AGAIN):  # a key that is none of ours
        return Manifest(**{**found, "entries": [Entry(**entry) for entry in found["entries"]]})
