"""Where each release of the Amazon review data keeps what `calrec prepare` reads.

2014: https://jmcauley.ucsd.edu/data/amazon/index_2014.html, 2018: https://nijianmo.github.io/amazon/, 2023:
https://amazon-reviews-2023.github.io/.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["AMAZON2018", "LAYOUTS", "METADATA", "METADATA2018", "Layout", "MetadataLayout"]


@dataclass(frozen=True)
class Layout:
    """Of a reviews file: the keys, or the names of the columns; ``text`` is ``""`` where there is none.

    ``year``: of the release, None where the layout does not tell. ``units_a_second``: of the times. ``columns``: of a
    csv file without a header, in order.
    """

    year: int | None
    shown: str
    user: str
    item: str
    time: str
    rating: str
    text: str = ""
    units_a_second: int = 1
    columns: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys without which a record is no event."""
        return self.user, self.item, self.time


@dataclass(frozen=True)
class MetadataLayout:
    """Of a metadata file: the key of an item's id, the keys of which one is there at least, and how a record becomes
    one of 2018 (``title, category, brand, price, main_cat``)."""

    item: str
    some: frozenset[str]
    as_2018: Callable[[dict[str, Any]], dict[str, Any]]


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    return record


def _from_2023(record: dict[str, Any]) -> dict[str, Any]:
    """``store`` is what the page names as the brand; an item without a category path has its main category."""
    main = record.get("main_category")
    return {
        "title": record.get("title"),
        "category": record.get("categories") or main,
        "main_cat": main,
        "brand": record.get("store"),
        "price": record.get("price"),
    }


def _ratings(shown: str, *columns: str) -> Layout:
    return Layout(None, shown, "user", "item", "timestamp", "rating", columns=columns)


AMAZON2018 = Layout(
    None, "Amazon reviews of 2014 or 2018", "reviewerID", "asin", "unixReviewTime", "overall", "reviewText"
)
AMAZON2023 = Layout(
    2023, "Amazon reviews of 2023", "user_id", "parent_asin", "timestamp", "rating", "text", units_a_second=1000
)
LAYOUTS = {
    "amazon2014": AMAZON2018,
    "amazon2018": AMAZON2018,
    "amazon2023": AMAZON2023,
    "ratings2014": _ratings("Amazon ratings of 2014", "user", "item", "rating", "timestamp"),
    "ratings2018": _ratings("Amazon ratings of 2018", "item", "user", "rating", "timestamp"),
}
METADATA2018 = MetadataLayout("asin", frozenset({"title", "category", "categories", "brand", "price"}), _unchanged)
METADATA2023 = MetadataLayout(
    "parent_asin", frozenset({"title", "categories", "main_category", "store", "price"}), _from_2023
)
METADATA = (METADATA2018, METADATA2023)
