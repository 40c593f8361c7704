"""The README.md of a prepared data set on a hub: source, filters, split, counts and hashes, and nothing of the data."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from calrec_recbole.data.categories import PUBLISHED_AT, known_categories
from calrec_recbole.data.dataset_statistics import Statistics, statistics
from calrec_recbole.data.pipeline import summary_file
from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import read_json

__all__ = ["data_card"]

AGAIN = "prepare it again"
SUMMARY = {"settings": dict, "counts": dict, "files": {...: {"bytes": int, "sha256": str}}, ...: object}
TEXT = """\
# {name}

A data set for sequential recommendation, as [calrec-recbole]({url}) prepares it. **The data are not here**: this card
and `{summary}` tell how to make them and by which hashes to know that they are the same.

## Source

{source}

## Filters

{filters}

## Split

{split}

## Counts

{counts}

## Files

{files}

`sha256sum` of what you have prepared must give these; a run names the hashes of its data in `environment.json`.

## Licence

{licence}The data belong to those who published them: get them there, under their terms.
"""
SPLIT = (
    "Leave one out, which is the default of a run: of each user's events in order of time the last is tested, the one "
    "before it validated on, the others trained on."
)
OFFICIAL = (
    "The source's own parts (train, valid, test) were read and put together; `official_split` in `{summary}` says how "
    "leave one out, the default of a run, compares with them."
)


def data_card(folder: Path, licence: str = "") -> DatasetCard:
    """Makes the card of the data set that `calrec prepare` or `calrec import` left in ``folder``.

    Raises ``DataError`` where it is none or its files are not those that were written then.
    """
    file = summary_file(folder)
    if not file.is_file():
        raise DataError(f"--data={folder} holds no {file.name}: give a folder of calrec prepare or calrec import")
    summary = read_json(file, AGAIN, SUMMARY)
    _check_hashes(folder, summary["files"])
    name, found = folder.name, statistics(folder)
    data = DatasetCardData(
        license=licence or None,
        size_categories=_size(found.purchases),
        tags=["calrec", "recbole", "sequential-recommendation"],
        pretty_name=name,
    )
    text = TEXT.format(
        **{"name": name, "url": "https://doi.org/10.1145/3640457.3688121", "summary": file.name},
        source=_source(name, summary),
        filters=_table("setting", "value", summary["settings"]) + "\n\n" + _table("step", "count", summary["counts"]),
        split=OFFICIAL.format(summary=file.name) if "official_split" in summary else SPLIT,
        counts=_counts(found),
        files="\n".join(["| file | bytes | SHA-256 |", "|-|-|-|", *_hashes(summary["files"])]),
        licence=f"This card: {licence}. " if licence else "",
    )
    return DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def _check_hashes(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    for name, facts in files.items():
        if not (folder / name).is_file():
            raise DataError(f"--data={folder} lacks {name}: {AGAIN}")
        with (folder / name).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != facts["sha256"]:
                raise DataError(f"{folder / name} was changed after it was prepared, the card would be wrong: {AGAIN}")


def _source(name: str, summary: Mapping[str, Any]) -> str:
    raw = [facts for key in ("reviews", "metadata") if (facts := summary.get(key))]
    raw += summary.get("other_parts", [])
    if not raw:
        return "Tables of one's own (`calrec import`)."
    known = known_categories().get(name)
    place = f"Published at <{PUBLISHED_AT[known.release]}>.\n\n" if known else ""
    rows = [f"| {one['file']} | {one['bytes']:,} | `{one['sha256']}` |" for one in raw]
    return place + "\n".join(["| raw file | bytes | SHA-256 |", "|-|-|-|", *rows])


def _counts(found: Statistics) -> str:
    values = {
        "users": f"{found.users:,}",
        "items": f"{found.items:,}",
        "events": f"{found.purchases:,}",
        "events per user": f"{found.items_per_user:.2f}",
        "density": f"{found.density:.2g}",
        "words per item": f"{found.words_per_item:.2f}",
    }
    return _table("", "", values)


def _table(first: str, second: str, values: Mapping[str, Any]) -> str:
    return "\n".join([f"| {first} | {second} |", "|-|-|", *(f"| {key} | {value} |" for key, value in values.items())])


def _hashes(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"| {name} | {facts['bytes']:,} | `{facts['sha256']}` |" for name, facts in files.items()]


def _size(events: int) -> str:
    """The hub's word for how many rows there are."""
    bounds = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
    return next((word for bound, word in bounds.items() if events < bound), "10M<n<100M")
