"""All candidate items as text, in the order of their internal ids; groups of items whose texts are equal."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from calrec_recbole.errors import DataError
from calrec_recbole.prompts import AMAZON, Attribute, item_text

__all__ = ["Catalogue", "read_attributes", "read_catalogue"]


@dataclass(frozen=True)
class Catalogue:
    """The text of every item; ``texts[i]`` belongs to ``item_ids[i]``."""

    item_ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def distinct_texts(self) -> tuple[tuple[str, ...], np.ndarray]:
        """The different texts in order of first appearance, and (n_items,) int64: the place of each item's text
        there.
        """
        place: dict[str, int] = {}
        group = np.array([place.setdefault(text, len(place)) for text in self.texts], dtype=np.int64)
        return tuple(place), group


def read_catalogue(item_file: Path, item_ids: Sequence[str], template: Sequence[Attribute] = AMAZON) -> Catalogue:
    """Texts for ``item_ids`` from a RecBole ``.item`` file (tab separated, header ``name:type``).

    An item without a row reads "Unknown" in every attribute. Raises ``DataError`` for a missing file, a missing
    column or a row of the wrong length.
    """
    wanted = set(item_ids)
    texts = {item: item_text(row, template) for item, row in _rows(item_file, template) if item in wanted}
    nothing_known = item_text({}, template)
    return Catalogue(tuple(item_ids), tuple(texts.get(item, nothing_known) for item in item_ids))


def read_attributes(item_file: Path, item_ids: Sequence[str], template: Sequence[Attribute]) -> list[dict[str, str]]:
    """Label -> description of every attribute of ``template`` for ``item_ids``, whole, with no word limit.

    A missing one, as all of an item without a row, is empty. Raises ``DataError`` as ``read_catalogue`` does.
    """
    wanted = set(item_ids)
    rows = {item: row for item, row in _rows(item_file, template) if item in wanted}
    return [
        {attribute.label: rows.get(item, {}).get(attribute.field, "").strip() for attribute in template}
        for item in item_ids
    ]


def _rows(item_file: Path, template: Sequence[Attribute]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        file = open(item_file, encoding="utf-8", newline="")  # noqa: SIM115 - closed by the with below
    except OSError as problem:
        raise DataError(
            f"item file {item_file} cannot be read ({problem.strerror}): prepare the data set again"
        ) from None
    with file:
        reader = csv.reader(file, delimiter="\t")
        try:
            yield from _records(reader, item_file, template)
        except csv.Error as problem:
            raise DataError(
                f"item file {item_file} line {reader.line_num}: {problem}; prepare the data set again"
            ) from None


def _records(reader: Any, item_file: Path, template: Sequence[Attribute]) -> Iterator[tuple[str, dict[str, str]]]:
    names = [column.partition(":")[0] for column in next(reader, [])]
    lacking = [name for name in ("item_id", *(attribute.field for attribute in template)) if name not in names]
    if lacking:
        raise DataError(f"item file {item_file} has no column {lacking[0]!r}, only {names}: mend item_attributes")
    for row in reader:
        if len(row) != len(names):
            raise DataError(f"item file {item_file} line {reader.line_num}: {len(row)} fields, expected {len(names)}")
        fields = dict(zip(names, row, strict=True))
        yield fields["item_id"], fields
