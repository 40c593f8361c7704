"""All candidate items as text, in the order of their internal ids; groups of items whose texts are equal."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from calrec_recbole.errors import DataError
from calrec_recbole.prompts import AMAZON, Attribute, item_text, parse_item_text

__all__ = ["Catalogue", "read_attributes", "read_catalogue"]


@dataclass(frozen=True)
class Catalogue:
    """The text of every item, written by ``template``; ``texts[i]`` belongs to ``item_ids[i]``."""

    item_ids: tuple[str, ...]
    texts: tuple[str, ...]
    template: tuple[Attribute, ...] = AMAZON

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

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The first attribute of every item, within its word limit; the whole of a text that is not the template's."""
        parsed = [parse_item_text(text, self.template) for text in self.texts]
        first = self.template[0].field
        return tuple(found[first] if found else text for found, text in zip(parsed, self.texts, strict=True))


def read_catalogue(item_file: Path, item_ids: Sequence[str], template: Sequence[Attribute] = AMAZON) -> Catalogue:
    """Texts for ``item_ids`` from a RecBole ``.item`` file (tab separated, header ``name:type``).

    An item without a row reads "Unknown" in every attribute. Raises ``DataError`` for a missing file, a missing
    column or a row of the wrong length.
    """
    wanted = set(item_ids)
    rows = _rows(item_file, [attribute.field for attribute in template], "item_attributes")
    texts = {item: item_text(row, template) for item, row in rows if item in wanted}
    nothing_known = item_text({}, template)
    return Catalogue(tuple(item_ids), tuple(texts.get(item, nothing_known) for item in item_ids), tuple(template))


def read_attributes(
    item_file: Path, item_ids: Sequence[str], fields: Sequence[str], setting: str = "item_attributes"
) -> list[dict[str, str]]:
    """The descriptions of ``fields`` for each of ``item_ids``, whole; "" for what is missing.

    ``setting`` is the one that names the fields, for the ``DataError`` of a missing column.
    """
    wanted = set(item_ids)
    found = {item: row for item, row in _rows(item_file, fields, setting) if item in wanted}
    return [{field: found.get(item, {}).get(field, "") for field in fields} for item in item_ids]


def _rows(item_file: Path, columns: Iterable[str], setting: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        file = open(item_file, encoding="utf-8", newline="")  # noqa: SIM115 - closed by the with below
    except OSError as problem:
        raise DataError(
            f"item file {item_file} cannot be read ({problem.strerror}): prepare the data set again"
        ) from None
    with file:
        reader = csv.reader(file, delimiter="\t")
        try:
            yield from _records(reader, item_file, columns, setting)
        except csv.Error as problem:
            raise DataError(
                f"item file {item_file} line {reader.line_num}: {problem}; prepare the data set again"
            ) from None


def _records(
    reader: Any, item_file: Path, columns: Iterable[str], setting: str
) -> Iterator[tuple[str, dict[str, str]]]:
    names = [column.partition(":")[0] for column in next(reader, [])]
    lacking = [name for name in ("item_id", *columns) if name not in names]
    if lacking:
        raise DataError(f"item file {item_file} has no column {lacking[0]!r}, only {names}: mend {setting}")
    for row in reader:
        if len(row) != len(names):
            raise DataError(f"item file {item_file} line {reader.line_num}: {len(row)} fields, expected {len(names)}")
        fields = dict(zip(names, row, strict=True))
        yield fields["item_id"], fields
