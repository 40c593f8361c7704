"""Raw Amazon metadata -> the four attributes of an item (section 4: title, category, brand, price)."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calrec_recbole.data.layouts.known_layouts import METADATA2018, MetadataLayout
from calrec_recbole.data.raw_file import JSON_LINES, BadLineError, Container, RawFile
from calrec_recbole.data.texts import Text, attribute_text, price_text

__all__ = ["ATTRIBUTES", "CATEGORY_SOURCES", "Metadata", "read_metadata"]

ATTRIBUTES = ("title", "category", "brand", "price")
IMAGE = re.compile(r"""\s*<img\b[^>]*?\balt\s*=\s*(["'])(?P<alt>.*?)\1[^>]*>\s*""", re.IGNORECASE | re.DOTALL)


def _path(record: dict[str, Any]) -> list[str]:
    """The category path, cleaned: ``category`` (2018) or the first of ``categories`` (2014); markup is left out."""
    path = record.get("category") or record.get("categories") or []
    if isinstance(path, list) and path and isinstance(path[0], list):
        path = path[0]
    parts = [attribute_text(part).text for part in (path if isinstance(path, list) else [path])]
    return [part for part in parts if part]


def _full_path(record: dict[str, Any], root: str | None) -> Text:
    return Text(" ".join(_path(record)))


def _path_without_root(record: dict[str, Any], root: str | None) -> Text:
    """The path below its root, one space between the parts.

    ``root`` is cut off wherever it opens the path, as a part of its own or at the head of a path joined to one string;
    without ``root`` the first of several parts goes.
    """
    parts = _path(record)
    if root is None:
        return Text(" ".join(parts[1:] if len(parts) > 1 else parts))
    if parts and (parts[0] == root or parts[0].startswith(root + " ")):
        parts[0] = parts[0][len(root) :]
    return Text(" ".join(parts).strip())


def _main_cat(record: dict[str, Any], root: str | None) -> Text:
    """The broad category of the paper's example (3.2), "Tools & Home Improvement"; the path where it is missing.

    Some pages have an image in its place: its alternative text is read.
    """
    raw = record.get("main_cat")
    image = IMAGE.fullmatch(raw) if isinstance(raw, str) else None
    found = attribute_text(image["alt"] if image else raw)
    return found if found.text else _path_without_root(record, root)


CATEGORY_SOURCES: dict[str, Callable[[dict[str, Any], str | None], Text]] = {
    "main_cat": _main_cat,
    "path_without_root": _path_without_root,
    "path": _full_path,
}


@dataclass
class Metadata:
    """``texts``: item id -> (title, category, brand, price), "" where missing; ``markup``, ``cut``: field -> items."""

    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    markup: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    def add(self, item: str, record: dict[str, Any], source: str, root: str | None) -> None:
        """The attributes of ``item`` in place of what was known; ``BadLineError`` for a number that is none."""
        found = {name: attribute_text(record.get(name)) for name in ("title", "brand")}
        found |= {"category": CATEGORY_SOURCES[source](record, root), "price": price_text(record.get("price"))}
        self.markup.update(name for name in ATTRIBUTES if found[name].was_markup)
        self.cut.update(name for name in ATTRIBUTES if found[name].was_cut)
        self.texts[item] = tuple(found[name].text for name in ATTRIBUTES)


def read_metadata(
    path: Path,
    wanted: Collection[str],
    source: str,
    root: str | None,
    layout: MetadataLayout = METADATA2018,
    container: Container = JSON_LINES,
) -> tuple[Metadata, RawFile]:
    """The attributes of the ``wanted`` items, in one pass; of an item's several lines the first with a text counts.

    ``source`` is one of ``CATEGORY_SOURCES``. A line without an item id or with a number that is none is counted in the
    returned ``RawFile.bad``.
    """
    file, metadata = RawFile(path, container), Metadata()
    for line, record in file.objects():
        try:
            item = _item(record, layout.item)
            metadata.repeated += item in metadata.texts
            if item in wanted and not any(metadata.texts.get(item, ())):
                metadata.add(item, layout.as_2018(record), source, root)
        except BadLineError as error:
            file.bad.add(str(error), line)
    return metadata, file


def _item(record: dict[str, Any], key: str) -> str:
    item = record.get(key)
    if not isinstance(item, str | int) or not str(item).strip():
        raise BadLineError(f"lacks item ({key})")
    return str(item)
