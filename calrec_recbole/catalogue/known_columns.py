"""Which columns of `.item` are an item's title, category, brand and price where they have other names."""

from collections.abc import Collection, Sequence

from calrec_recbole.errors import DataError
from calrec_recbole.prompts import AMAZON

__all__ = ["ALIASES", "known_columns", "said_of"]

ALIASES = {  # names in RecBole's data sets: Amazon_*, ml-*, steam, yelp, ...
    "title": ("movie_title", "movie_name", "app_name", "item_name", "name"),
    "category": ("categories", "genres", "genre", "class", "tags"),
    "brand": ("store", "developer"),
    "price": (),
}
assert set(ALIASES) == {attribute.field for attribute in AMAZON}


def known_columns(fields: Sequence[str], columns: Collection[str], setting: str) -> dict[str, str]:
    """Field -> column, in the order of ``fields``.

    A field of ``ALIASES`` that is no column is the first of its aliases that is one, or is left out. Any other field is
    itself. Raises ``DataError`` where nothing is left; ``setting`` names the fields.
    """
    found = {field: _column(field, columns) for field in fields}
    named = {field: column for field, column in found.items() if column}
    if fields and not named:
        raise DataError(f"none of {setting}={list(fields)} is a column, or known by another name, of {list(columns)}")
    return named


def said_of(fields: Sequence[str], named: dict[str, str]) -> str:
    """What ``known_columns`` did, for people: ``title <- movie_title; no brand``; ``""`` where nothing has changed."""
    renamed = ", ".join(f"{field} <- {column}" for field, column in named.items() if field != column)
    lacking = ", ".join(field for field in fields if field not in named)
    return "; ".join(filter(None, (renamed, f"no {lacking}" if lacking else "")))


def _column(field: str, columns: Collection[str]) -> str:
    if field in columns or field not in ALIASES:
        return field
    return next((alias for alias in ALIASES[field] if alias in columns), "")
