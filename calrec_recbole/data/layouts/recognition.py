"""Which layout a raw file has, told from its first records, and what it is where it has none."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from calrec_recbole.data.layouts.containers import JSON_ARRAY, comma_separated
from calrec_recbole.data.layouts.known_layouts import LAYOUTS, METADATA, Layout, MetadataLayout
from calrec_recbole.data.raw_file import JSON_LINES, BadLineError, Container, first_lines
from calrec_recbole.errors import DataError, must_be_one_of

__all__ = ["MetadataFound", "Reviews", "metadata_layout", "reviews_layout"]

LOOKED_AT = 1000  # lines; the first bad ones of a file must not hide its layout
ASIN = 10  # characters of an item's id; a user's has 12 to 14, or 28 in 2023
SIGNATURES = {  # the first bytes of what is no text
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"SQLite format 3": "an SQLite database",
    b"\x80": "a pickle",
}
OWN = "of a table with columns of your own: calrec import --interactions=FILE --user=COLUMN --item=COLUMN --time=COLUMN"


class Reviews(NamedTuple):
    """A reviews file: its layout, and how it holds its records."""

    layout: Layout
    container: Container

    def __str__(self) -> str:
        layout, unit = self.layout, {1: "s", 1000: "ms"}[self.layout.units_a_second]
        return f"{layout.shown} ({layout.user}, {layout.item}, {layout.time} in {unit})"


class MetadataFound(NamedTuple):
    """A metadata file: its layout, and how it holds its records."""

    layout: MetadataLayout
    container: Container


def reviews_layout(path: Path, given: str | None = None) -> Reviews:
    """The layout of the reviews in ``path``; ``given``, the value of --layout, is not doubted.

    Raises:
        ConfigError: ``given`` is no layout.
        DataError: the file holds something else; the message says what: metadata, a page of HTML, an archive, other
            columns.
    """
    if given is not None:
        must_be_one_of("--layout", given, LAYOUTS)
    wanted = [LAYOUTS[given]] if given else list(LAYOUTS.values())
    return _csv_reviews(path, wanted) or _json_reviews(path, wanted)


def metadata_layout(path: Path) -> MetadataFound:
    """The layout of the metadata in ``path``.

    Raises:
        DataError: it holds something else.
    """
    container, objects = _json_objects(path)
    if any(_all_have(objects, layout.needed) for layout in LAYOUTS.values()):
        raise DataError(f"{path} holds reviews ({_keys(objects)}), not metadata: give it as --reviews={path}")
    for layout in METADATA:
        if _is_metadata(objects, layout):
            return MetadataFound(layout, container)
    ids = " or ".join(layout.item for layout in METADATA)
    raise DataError(f"{path} is no metadata: it has {_keys(objects)}, and needed are {ids}, and title or category")


def _json_reviews(path: Path, wanted: list[Layout]) -> Reviews:
    container, objects = _json_objects(path)
    for layout in wanted:
        if _all_have(objects, layout.needed):
            return Reviews(layout, container)
    if any(_is_metadata(objects, layout) for layout in METADATA):
        raise DataError(f"{path} holds metadata ({_keys(objects)}), not reviews: give it as --meta={path}")
    needed = " or ".join(dict.fromkeys(", ".join(layout.needed) for layout in wanted))
    raise DataError(f"{path} has no known layout: it has {_keys(objects)}, and needed are {needed}; {OWN}")


def _csv_reviews(path: Path, wanted: list[Layout]) -> Reviews | None:
    """By the header, or where there is none by the place of the ids; None for what is not csv."""
    lines = first_lines(path, LOOKED_AT)
    if not lines or lines[0].count(b",") < 2 or lines[0].lstrip(b"\xef\xbb\xbf \t")[:1] in (b"{", b"[", b"<"):
        return None
    rows = list(_records(comma_separated(), lines))
    for layout in wanted:
        if rows and not layout.columns and set(layout.needed) <= rows[0].keys():
            return Reviews(layout, comma_separated())
    orders = [layout for layout in wanted if layout.columns]
    ratings = [list(row.values()) for row in _records(comma_separated("0123"), lines)]
    if not ratings or not orders or not all(_is_number(cell) for cell in ratings[-1][2:]):
        columns = ", ".join(rows[0]) if rows else lines[0].decode(errors="replace").strip()
        raise DataError(f"{path} has no known layout: its columns are {columns[:200]}; {OWN}")
    layout = orders[0] if len(orders) == 1 else _order_of(path, ratings)
    return Reviews(layout, comma_separated(layout.columns))


def _order_of(path: Path, rows: list[list[str]]) -> Layout:
    """2018 puts the item first, 2014 the user; an item's id has ten characters."""
    item_first, item_second = (all(len(row[column]) == ASIN for row in rows) for column in (0, 1))
    if item_first == item_second:
        raise DataError(
            f"{path}: it cannot be told whether users or items come first; give --layout=ratings2014 (user, item, "
            "rating, time) or --layout=ratings2018 (item, user, rating, time)"
        )
    return LAYOUTS["ratings2018" if item_first else "ratings2014"]


def _json_objects(path: Path) -> tuple[Container, list[dict[str, Any]]]:
    """How ``path`` holds its objects, and the first of them.

    Raises:
        DataError: there is none.
    """
    lines = first_lines(path, LOOKED_AT)
    first = next((line.lstrip(b"\xef\xbb\xbf \t\r\n") for line in lines if line.strip()), b"")
    for signature, what in SIGNATURES.items():
        if first.startswith(signature):
            raise DataError(f"{path} is {what}: unpack or convert it first; JSON and csv are read, plain or gzipped")
    for container in (JSON_LINES, JSON_ARRAY):
        if objects := list(_records(container, lines)):
            return container, objects
    if not lines and path.stat().st_size:
        raise DataError(f"{path} is gzip data that is damaged from its start: fetch it again")
    what = "is empty" if not first else "is a page of HTML or XML" if first[:1] == b"<" else "holds no JSON object"
    raise DataError(f"{path} {what}: JSON and csv are read, plain or gzipped; {OWN}")


def _records(container: Container, lines: list[bytes]) -> Iterator[dict[str, Any]]:
    return (record for _, record in container.records(lines) if not isinstance(record, BadLineError))


def _all_have(objects: list[dict[str, Any]], keys: tuple[str, ...]) -> bool:
    """Whether half of ``objects`` have all ``keys``; some may be damaged."""
    return 2 * sum(set(keys) <= one.keys() for one in objects) >= len(objects)


def _is_metadata(objects: list[dict[str, Any]], layout: MetadataLayout) -> bool:
    return _all_have(objects, (layout.item,)) and any(layout.some & one.keys() for one in objects)


def _keys(objects: list[dict[str, Any]]) -> str:
    """The most frequent keys, for a message."""
    counts = Counter(key for one in objects for key in one)
    names = [key for key, _ in counts.most_common(6)]
    return f"the keys {', '.join(names)}{', ...' if len(counts) > len(names) else ''}" if names else "no keys"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
