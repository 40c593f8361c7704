"""Table 1: what a prepared data set consists of."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calrec_recbole.data.atomic import AtomicSettings, read_atomic, read_item_rows
from calrec_recbole.data.metadata import ATTRIBUTES
from calrec_recbole.data.pipeline import summary_file
from calrec_recbole.errors import DataError
from calrec_recbole.prompts import AMAZON, item_text
from calrec_recbole.stored_files import read_json

__all__ = ["Statistics", "count_words", "statistics"]

WHOLE = tuple(attribute._replace(words=10**6) for attribute in AMAZON)


@dataclass(frozen=True)
class Statistics:
    """One row of Table 1; ``duplicates`` in % of the purchases before dedup (None: not known), the rest after it."""

    users: int
    duplicates: float | None
    items: int
    purchases: int
    items_per_user: float
    purchases_per_item: float
    density: float
    words_per_item: float
    word_vocabulary: int
    word_frequency: float


SUMMARY = {  # what is read of it
    "settings": {"dedup": bool, ...: object},
    "counts": {"duplicates_dropped?": int, "raw_events": int, ...: object},
    ...: object,
}


def count_words(texts: Iterable[str]) -> tuple[int, int]:
    """(words, distinct words) of all texts, split at white space; distinct in lower case (paper 4)."""
    total, vocabulary = 0, set()
    for text in texts:
        words = text.lower().split()
        total += len(words)
        vocabulary.update(words)
    return total, len(vocabulary)


def _duplicates(folder: Path) -> float | None:
    """% of raw purchases that dedup dropped, from the summary; None where dedup was off or there is no summary."""
    file = summary_file(folder)
    if not file.is_file():
        return None
    summary = read_json(file, "prepare it again", SUMMARY)
    counts = summary["counts"]
    if not summary["settings"]["dedup"] or not counts["raw_events"] or "duplicates_dropped" not in counts:
        return None
    return float(100 * counts["duplicates_dropped"] / counts["raw_events"])


def _item_texts(file: Path, items: set[str]) -> Iterable[str]:
    """The whole template text of every candidate item, labels and "Unknown" counted, without limits of words.

    That is how the paper's Table 1 counts, as far as its numbers tell (configs/dataset/Scientific.yaml). Of items with
    other columns the cells themselves.
    """
    if not file.is_file():
        return
    rows = read_item_rows(file, AtomicSettings(), items)
    template = set(ATTRIBUTES) <= set(rows.names)
    for item in sorted(items):
        fields = dict(zip(rows.names, rows.cells.get(item, [""] * len(rows.names)), strict=True))
        fields.pop("item_id", None)
        yield item_text(fields, WHOLE) if template else " ".join(fields.values())


def statistics(folder: Path) -> Statistics:
    """Table 1 of the atomic files in ``folder``; candidates are the items that have an event.

    Raises:
        DataError: `<folder>/<name>.inter` lacks a column or has no event.
    """
    inter = folder / f"{folder.name}.inter"
    users, items, purchases = set(), set(), 0
    for row in read_atomic(inter):
        if "user_id" not in row or "item_id" not in row:
            raise DataError(f"{inter} lacks the column user_id or item_id")
        users.add(row["user_id"])
        items.add(row["item_id"])
        purchases += 1
    if not purchases:
        raise DataError(f"{inter} has no event")
    words, vocabulary = count_words(_item_texts(folder / f"{folder.name}.item", items))
    return Statistics(
        users=len(users),
        duplicates=_duplicates(folder),
        items=len(items),
        purchases=purchases,
        items_per_user=purchases / len(users),
        purchases_per_item=purchases / len(items),
        density=purchases / (len(users) * len(items)),
        words_per_item=words / len(items),
        word_vocabulary=vocabulary,
        word_frequency=words / vocabulary if vocabulary else 0.0,
    )
