"""The items of a data set as Recformer reads them: which attributes, and each distinct text once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from calrec_recbole.baselines.recformer.inputs import FlatItem, tokenise_item
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.data.prepared import Prepared

__all__ = ["DistinctItems", "attributes_of", "distinct_items", "texts_of"]


class DistinctItems(NamedTuple):
    """The different items in order of first appearance, and of every item its place among them."""

    items: list[FlatItem]
    place: list[int]


def attributes_of(prepared: Prepared, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Name -> value of the attributes of every item, in the order of internal ids 1, 2, ...

    ``wanted``, the setting recformer_attributes, names fields of ``item_attributes`` in the order in which they are
    read; empty, all of them. The names are the labels in lower case: the authors' "title", "brand", "category".
    """
    known = {attribute.field: attribute for attribute in prepared.template}
    columns = list(prepared.columns_of(wanted, "recformer_attributes").values()) or list(known)
    lacking = [field for field in columns if field not in known]
    if lacking:
        raise ConfigError(
            f"recformer_attributes={wanted} names {lacking[0]!r}, which is not in item_attributes, {list(known)}: "
            "name some of these, or none for all"
        )
    rows = prepared.attributes(columns)
    return [{known[field].label.lower(): row[field].strip() for field in columns} for row in rows]


def distinct_items(attributes: Sequence[Mapping[str, str]], tokenizer: Any, limit: int) -> DistinctItems:
    """Every item tokenised, ``limit`` tokens an attribute; items that read the same share one place."""
    places: dict[FlatItem, int] = {}
    place = [places.setdefault(tokenise_item(item, tokenizer, limit), len(places)) for item in attributes]
    return DistinctItems(list(places), place)


def texts_of(attributes: Sequence[Mapping[str, str]]) -> list[str]:
    """All names and values, each distinct one once: what a tokenizer learns from."""
    return list(dict.fromkeys(text for item in attributes for pair in item.items() for text in pair if text))
