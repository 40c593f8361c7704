"""Raw reviews and metadata -> a folder with RecBole's `.inter` and `.item` and a summary of what was done."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.data.amazon import Events, read_parts
from calrec_recbole.data.atomic import write_inter, write_item
from calrec_recbole.data.dedup import drop_consecutive_duplicates, drop_duplicates_of_regrouped_events
from calrec_recbole.data.filters import drop_short_users, sample_users
from calrec_recbole.data.layouts.known_layouts import LAYOUTS
from calrec_recbole.data.layouts.official_split import compare_splits, parts_of
from calrec_recbole.data.layouts.recognition import metadata_layout, reviews_layout
from calrec_recbole.data.metadata import ATTRIBUTES, CATEGORY_SOURCES, Metadata, read_metadata
from calrec_recbole.data.raw_file import RawFile
from calrec_recbole.durable_files import file_name, replacing_folder, sweep, write_json
from calrec_recbole.errors import ConfigError, DataError, must_be_one_of

__all__ = [
    "PrepareSettings",
    "check_minimum",
    "check_name",
    "item_order",
    "prepare",
    "require_ours",
    "summary_file",
    "write_prepared",
]

DEDUP = {"file": drop_consecutive_duplicates, "item": drop_duplicates_of_regrouped_events}


def check_name(name: str) -> None:
    """Raises ``ConfigError`` where ``name`` is no name of a folder."""
    if not name or name != file_name(name):
        raise ConfigError(f"--name={name!r} is not a folder name; use letters, digits, '-' and '_'")


def check_minimum(events: int) -> None:
    """Raises ``ConfigError`` where the fewest ``events`` of a user are below 1."""
    if events < 1:
        raise ConfigError(f"--min_user_events={events} must be at least 1")


@dataclass(frozen=True)
class PrepareSettings:
    """What decides the prepared files, besides the raw ones; checked when made."""

    name: str
    category_source: str = "main_cat"
    root: str | None = None
    user_fraction: float = 1.0
    user_seed: int = 0
    min_user_events: int = 5  # section 4: the 5-core; users below it after dedup are dropped
    dedup: bool = True
    ties: str = "file"
    layout: str | None = None  # None: told from the file

    def __post_init__(self) -> None:
        check_name(self.name)
        check_minimum(self.min_user_events)
        must_be_one_of("--category_source", self.category_source, CATEGORY_SOURCES)
        must_be_one_of("--ties", self.ties, DEDUP)
        if self.layout is not None:
            must_be_one_of("--layout", self.layout, LAYOUTS)
        if not 0 < self.user_fraction <= 1:
            raise ConfigError(f"prepare.user_fraction={self.user_fraction} must be above 0 and at most 1")


def summary_file(folder: Path) -> Path:
    """The summary beside the data: `<Name>/<Name>.prepare.json`."""
    return folder / f"{folder.name}.prepare.json"


def _selected(events: Events, settings: PrepareSettings) -> tuple[pd.DataFrame, dict[str, int]]:
    """Dedup, users with enough events, sampled users; and how much each step dropped."""
    raw = events.table
    unique = DEDUP[settings.ties](raw) if settings.dedup else raw
    long = drop_short_users(unique, settings.min_user_events)
    sampled = sample_users(long, events.users, settings.user_fraction, settings.user_seed)
    users = [table["user_id"].nunique() for table in (unique, long, sampled)]
    return sampled, {
        "raw_users": len(events.users),
        "raw_items": len(events.items),
        "raw_events": len(raw),
        "duplicates_dropped": len(raw) - len(unique),
        "short_users_dropped": users[0] - users[1],
        "users_not_sampled": users[1] - users[2],
        "users": users[2],
        "items": sampled["item_id"].nunique(),
        "events": len(sampled),
    }


def _require_events(counts: dict[str, int], files: Sequence[RawFile], settings: PrepareSettings) -> None:
    if counts["events"]:
        return
    records = sum(file.lines for file in files)
    read = f"{records} {files[0].container.counts}"
    what = f"{counts['raw_events']} usable events of {counts['raw_users']} users in {read}"
    bad = ", ".join(f"{n} {reason}" for file in files for reason, n in file.bad.counts.items()) or "none"
    raise DataError(
        f"nothing is left of {files[0].path}: {what} (bad {files[0].container.counts}: {bad}), "
        f"no user with --min_user_events={settings.min_user_events}"
    )


def item_order(events: pd.DataFrame) -> list[int]:
    """Item codes in order of their first event in `.inter`."""
    order = np.argsort(events["timestamp"].to_numpy(), kind="stable")
    return [int(code) for code in pd.unique(events["item_id"].to_numpy()[order])]


def _texts_summary(metadata: Metadata, items: Sequence[str]) -> dict[str, Any]:
    empty = ("",) * len(ATTRIBUTES)
    rows = [metadata.texts.get(item, empty) for item in items]
    return {
        "items_without_metadata": sum(item not in metadata.texts for item in items),
        "repeated_lines": metadata.repeated,
        "missing": {name: sum(not row[i] for row in rows) for i, name in enumerate(ATTRIBUTES)},
        "only_markup": dict(sorted(metadata.markup.items())),
        "cut": dict(sorted(metadata.cut.items())),
    }


def _official(table: pd.DataFrame, files: Sequence[RawFile]) -> dict[str, Any]:
    """What the summary says of an official split; nothing of one file."""
    if len(files) == 1:
        return {}
    return {"other_parts": [file.summary() for file in files[1:]], "official_split": compare_splits(table)}


def _file_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def require_ours(folder: Path) -> None:
    if folder.parent.exists() and not folder.parent.is_dir():
        raise DataError(f"--out={folder.parent} is no folder; give another")
    if folder.exists() and not summary_file(folder).is_file():
        raise DataError(f"{folder} exists and was not made by `calrec prepare`; move it away or choose another --name")


def _refuse_damaged(files: Sequence[RawFile]) -> None:
    for file in files:
        if file.damaged:
            raise DataError(
                f"{file.path} is cut off or damaged behind {file.container.counts[:-1]} {file.lines}: fetch it again, "
                "or add --accept_damaged to prepare what comes before"
            )


def prepare(
    reviews: Path, metadata: Path | None, out: Path, settings: PrepareSettings, accept_damaged: bool = False
) -> dict[str, Any]:
    """Writes `out/<name>/<name>.inter`, `.item` and `.prepare.json`; returns the summary that the latter holds.

    One pass over each raw file; of a part of an official split all three are read. The folder appears whole under its
    name, or not at all; an older one of ours is replaced. The same raw files and settings give the same bytes.
    ``metadata`` None leaves every text empty (read as "Unknown").

    Raises:
        DataError: a raw file is of another kind, or damaged and not accepted; nothing is left; the folder holds
            something else.
    """
    folder = out / settings.name
    require_ours(folder)
    sweep(folder)
    parts, found = parts_of(reviews), reviews_layout(reviews, settings.layout)
    of_metadata = metadata_layout(metadata) if metadata else None
    events, files = read_parts(parts, *found)
    if not accept_damaged:
        _refuse_damaged(files)
    table, counts = _selected(events, settings)
    _require_events(counts, files, settings)
    items = [events.items[code] for code in item_order(table)]
    texts, metadata_file = Metadata(), None
    if metadata and of_metadata:
        texts, metadata_file = read_metadata(
            metadata, set(items), settings.category_source, settings.root, *of_metadata
        )
        if not accept_damaged:
            _refuse_damaged([metadata_file])
    empty = ("",) * len(ATTRIBUTES)
    rows = ((name, *texts.texts.get(name, empty)) for name in items)
    summary = {
        "settings": asdict(settings),
        "counts": counts,
        "reviews": files[0].summary(),
        **_official(table, files),
        "metadata": metadata_file.summary() if metadata_file else None,
        "texts": _texts_summary(texts, items),
    }
    return write_prepared(out, settings.name, table, events.users, events.items, rows, summary)


def write_prepared(
    out: Path,
    name: str,
    events: pd.DataFrame,
    users: Sequence[str],
    items: Sequence[str],
    rows: Iterable[tuple[str, ...]],
    summary: dict[str, Any],
) -> dict[str, Any]:
    """Writes the folder `out/<name>`, whole or not at all: events, one of ``rows`` an item, and the summary.

    ``events`` holds codes into ``users`` and ``items``; a row is an item's id and its ``ATTRIBUTES``. Returns the
    summary with size and hash of the files.
    """
    folder = out / name
    with replacing_folder(folder) as temporary:
        inter, item = temporary / f"{name}.inter", temporary / f"{name}.item"
        write_inter(inter, events, users, items)
        write_item(item, ATTRIBUTES, rows)
        whole = summary | {"files": {path.name: _file_facts(path) for path in (inter, item)}}
        write_json(temporary / summary_file(folder).name, whole)
    return whole
