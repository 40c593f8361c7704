"""All candidate items as text, in the order of their internal ids; groups of items whose texts are equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from calrec_recbole.data.atomic import AtomicSettings, ItemRows, read_item_rows
from calrec_recbole.prompts import AMAZON, Attribute, item_text, parse_item_text

__all__ = ["Catalogue", "catalogue_of", "read_catalogue"]


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
    return catalogue_of(read_item_rows(item_file, AtomicSettings(), set(item_ids)), item_ids, template)


def catalogue_of(rows: ItemRows, item_ids: Sequence[str], template: Sequence[Attribute] = AMAZON) -> Catalogue:
    """``read_catalogue`` from rows that are read."""
    attributes = rows.columns(item_ids, [attribute.field for attribute in template], "item_attributes")
    return Catalogue(tuple(item_ids), tuple(item_text(one, template) for one in attributes), tuple(template))
