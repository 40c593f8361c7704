"""One attribute of the metadata -> one line of text; what is only markup or a word for nothing counts as missing."""

import html
import math
import re
from typing import Any, NamedTuple

from calrec_recbole.data.raw_file import BadLineError

__all__ = ["Text", "attribute_text", "is_null_word", "one_line", "price_text"]

# The 2018 crawl left pieces of the page where a field was empty: an opening tag that never ends (`<span class="a-...`),
# a script, or a style sheet in place of a price (`.a-box-inner{background:...`). Text with a rest of markup stays.
TAG = re.compile(r"<!--.*?(?:-->|$)|</?[a-zA-Z][^<>]*(?:>|$)", re.DOTALL)
SCRIPT = re.compile(r"\s*<(?:script|style)\b", re.IGNORECASE)
STYLE_SHEET = re.compile(r"\s*[.#@][a-zA-Z_-][^{}]*\{\s*[\w-]+\s*:")
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")  # only with its `;`: "Pens&notes" holds no entity
WHITE_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
NULL_WORDS = {"none", "nan", "null", "n/a", "#n/a", "<na>", "nat", "-", "--", "–", "—", "―"}  # in lower case
LARGEST = 10**18  # a number from here on is no title, brand or price
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


def is_null_word(text: str) -> bool:
    """Whether ``text`` is a word that tables and crawlers write where there is nothing: "None", "nan", "—", "NA"."""
    word = text.strip()
    return word.casefold() in NULL_WORDS or word == "NA"


def attribute_text(value: Any) -> Text:
    """Text of a raw value: a string as it is, a number as its digits (1984.0 is "1984"), else missing.

    Raises ``BadLineError`` for a number of 10^18 and more.
    """
    if _is_number(value):
        return Text(_digits(value))
    if not isinstance(value, str) or is_null_word(value):
        return Text("")
    if _is_markup(value):
        return Text("", was_markup=True)
    text = one_line(value)
    if is_null_word(text):
        return Text("")
    return Text(text[:LONGEST].rstrip(), was_cut=len(text) > LONGEST)


def price_text(value: Any) -> Text:
    """``attribute_text`` of a price: a number is dollars (the 2014 release has bare ones); below 0 it is missing."""
    if not _is_number(value):
        return attribute_text(value)
    return Text(f"${value:.2f}" if _digits(value) and value >= 0 else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digits(value: int | float) -> str:
    """ "" for what is not finite."""
    if value != value or value in (math.inf, -math.inf):  # math.isfinite cannot take 401 digits
        return ""
    if abs(value) >= LARGEST:
        raise BadLineError("number beyond 10^18 in a text field")
    return str(int(value)) if value == int(value) else repr(value)
