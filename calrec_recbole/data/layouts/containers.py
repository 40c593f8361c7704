"""Lines of a raw file -> numbered records, where they are not JSON lines: one JSON array, comma-separated values."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from calrec_recbole.data.raw_file import BadLineError, Container, Numbered, decoded

__all__ = ["JSON_ARRAY", "comma_separated"]

LONGEST_ELEMENT = 1 << 24  # characters of an array's element; what is longer is damage
BETWEEN = "[], \t\r\n"


def _json_array(lines: Iterable[bytes]) -> Iterator[Numbered]:
    """The objects of one array by their place in it, however they are laid out in lines.

    Only what is not read yet is held, at least a line. Behind an element that is not JSON nothing can be told apart.
    """
    waiting, place = "", 0
    for line in lines:
        try:
            waiting += decoded(line)
        except BadLineError as error:
            yield place + 1, error
            return
        elements, waiting = _elements(waiting)
        for element in elements:
            place += 1
            yield place, element if isinstance(element, dict) else BadLineError("not an object")
        if len(waiting) > LONGEST_ELEMENT:
            break
    if waiting.strip(BETWEEN):
        yield place + 1, BadLineError("not JSON from here on")


def _elements(text: str) -> tuple[list[Any], str]:
    """The elements that ``text`` holds whole, and the rest of it."""
    decoder, at = json.JSONDecoder(), 0
    found: list[Any] = []
    while True:
        while at < len(text) and text[at] in BETWEEN:
            at += 1
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found, text[at:]
        found.append(element)


JSON_ARRAY = Container("elements", _json_array)


def comma_separated(columns: Sequence[str] = ()) -> Container:
    """A csv file, one row a line; without ``columns`` its first line names them."""

    def rows(lines: Iterable[bytes]) -> Iterator[Numbered]:
        names = list(columns)
        for number, line in enumerate(lines, start=1):
            try:
                cells = _cells(line)
                if not names:
                    names = cells
                elif len(cells) != len(names):
                    raise BadLineError(f"not {len(names)} columns")
                else:
                    yield number, dict(zip(names, cells, strict=True))
            except BadLineError as error:
                yield number, error

    return Container("lines", rows)


def _cells(line: bytes) -> list[str]:
    text = decoded(line).rstrip("\r\n")
    if not text.strip():
        raise BadLineError("empty line")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        raise BadLineError("not csv") from None
