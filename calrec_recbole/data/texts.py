"""One attribute of the metadata -> one line of text; what is only markup counts as missing."""

import html
import re
from typing import Any, NamedTuple

__all__ = ["Text", "attribute_text", "one_line"]

# The 2018 crawl left pieces of the page where a field was empty: an opening tag that never ends (`<span class="a-...`),
# a script, or a style sheet in place of a price (`.a-box-inner{background:...`). Text with a rest of markup stays.
TAG = re.compile(r"<!--.*?(?:-->|$)|</?[a-zA-Z][^<>]*(?:>|$)", re.DOTALL)
SCRIPT = re.compile(r"\s*<(?:script|style)\b", re.IGNORECASE)
STYLE_SHEET = re.compile(r"\s*[.#@][a-zA-Z_-][^{}]*\{\s*[\w-]+\s*:")
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")  # only with its `;`: "Pens&notes" holds no entity
WHITE_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
LONGEST = 100_000  # characters; the csv module that reads `.item` refuses fields above 131,072


class Text(NamedTuple):
    """A cleaned text, and whether raw text was discarded as markup or cut at ``LONGEST``."""

    text: str
    was_markup: bool = False
    was_cut: bool = False


def one_line(text: str) -> str:
    """Entities unescaped once, every run of white space or control characters one space, lone surrogates U+FFFD."""
    text = ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return WHITE_SPACE.sub(" ", LONE_SURROGATE.sub("\ufffd", text)).strip()


def _is_markup(text: str) -> bool:
    """Whether nothing but tags, a script or a style sheet is there."""
    if SCRIPT.match(text) or STYLE_SHEET.match(text):
        return True
    without = TAG.sub("", text)
    return without != text and not any(c.isalnum() for c in without)


def attribute_text(value: Any) -> Text:
    """Text of a raw value: a string as it is, a number as dollars (the 2014 release has bare prices), else missing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"${value:.2f}"
    if not isinstance(value, str):
        return Text("")
    if _is_markup(value):
        return Text("", was_markup=True)
    text = one_line(value)
    return Text(text[:LONGEST].rstrip(), was_cut=len(text) > LONGEST)
