"""A page of Markdown as its readers see it: sections, tables and the numbers in them, each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["NUMBER", "ROOT", "Page", "Quoted", "Section", "Table", "agrees"]

ROOT = Path(__file__).resolve().parents[2]

NUMBER = re.compile(r"(?<![\w@.#-])[+−-]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:e-\d+)?(?![\w]|\.\d)")
METRIC = re.compile(r"[+−-]?\.\d+|[+−-]?[\d.]+e-\d+")
UNIT = re.compile(r"\s(?:CPU )?(?:s|ms|min|minutes|hours|MiB|GiB|MB|nats|times)\b")
COMMAND = re.compile(  # in a block or in the text; or a link to the page of results that has it
    r"(?m)(?:^\s{4}.*?|`)(?:run_recbole|calrec \w|python \S*(?:benchmarks|-m)|benchmarks/\w+\.(?:py|sh)|make \w"
    r"|pip install)|\]\((?:\.\./)?results/"
)

UNSEEN = re.compile(  # code, link targets, tags and versions are no quoted numbers
    r"(?ms)^( *)```.*?^\1```$|^ {4,}(?![-*|]).*?$|`[^`\n]*`|\]\([^)\n]*\)|<!--.*?-->|<[^>\n]+>|https?://\S+"
    r"|Python \d\.\d+(?:(?:, | or | and )\d\.\d+)*|\d+\.\d+\.\d[\w.]*"
)


@dataclass(frozen=True)
class Quoted:
    """A number at ``start`` of its page, as it is ``written``; ``metric``: it must be traced to a row."""

    start: int
    written: str
    metric: bool
    measure: bool

    @property
    def end(self) -> int:
        return self.start + len(self.written)


@dataclass(frozen=True)
class Section:
    """From the heading on line ``line`` to the next one; ``above``: from the heading of level 2 that it belongs to."""

    title: str
    start: int
    end: int
    above: int


@dataclass(frozen=True)
class Table:
    """``rows``: the cells of each row, as (start, text); the first row is the header."""

    rows: list[list[tuple[int, str]]]

    @property
    def header(self) -> list[str]:
        return [text for _, text in self.rows[0]]


class Page:
    """``name``: from the root of the repository."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / name).read_text(encoding="utf-8")
        self.seen = UNSEEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    def line(self, place: int) -> int:
        """The number of the line, from 1."""
        return self.text.count("\n", 0, place) + 1

    @cached_property
    def numbers(self) -> list[Quoted]:
        return list(self.numbers_in(0, len(self.seen)))

    def numbers_in(self, start: int, end: int) -> Iterator[Quoted]:
        """Those of the text from ``start`` to ``end``, in their order."""
        for found in NUMBER.finditer(self.seen, start, end):
            behind = self.seen[found.end() : found.end() + 12]
            percent = re.match(r"\s?%", behind) is not None
            metric = bool(METRIC.fullmatch(found[0])) or percent
            yield Quoted(found.start(), found[0], metric, metric or "." in found[0] or bool(UNIT.match(behind)))

    @cached_property
    def sections(self) -> list[Section]:
        heads = list(re.finditer(r"(?m)^(#+) (.*)$", UNSEEN.sub(lambda one: " " * len(one[0]), self.text)))
        found, above = [], 0
        for head, after in zip(heads, [*heads[1:], None], strict=True):
            above = head.start() if len(head[1]) <= 2 else above
            title = self.text[head.start(2) : head.end(2)]
            found.append(Section(title, head.start(), after.start() if after else len(self.text), above))
        return found

    def section_at(self, place: int) -> Section:
        return next(one for one in reversed(self.sections) if one.start <= place)

    def has_command(self, place: int) -> bool:
        """Whether a command stands in the section around ``place``, or in those above it up to level 2."""
        section = self.section_at(place)
        return bool(COMMAND.search(self.text, section.above, section.end))

    def tables(self, title: str) -> list[Table]:
        """Of the section ``title``; all of the page where that is empty."""
        start, end = 0, len(self.text)
        if title:
            found = [one for one in self.sections if one.title == title]
            if len(found) != 1:
                raise ValueError(f"{len(found)} sections have the title {title!r}")
            start, end = found[0].start, found[0].end
        blocks = re.finditer(r"(?m)(?:^\|.*\|\n?)+", self.text[start:end])
        return [Table([_cells(line, start + block.start()) for line in _lines(block)]) for block in blocks]

    def find(self, quote: str) -> tuple[int, int]:
        """Where ``quote`` stands, whatever its line breaks; where it does not, the same words with other numbers.

        Raises ``ValueError`` unless either stands there once.
        """
        words = r"\s+".join(map(re.escape, quote.split()))
        found = list(re.finditer(words, self.text))
        if not found:
            texts = NUMBER.split(quote)
            others = NUMBER.pattern.join(r"\s+".join(map(re.escape, re.split(r"\s+", text))) for text in texts)
            found = list(re.finditer(others, self.text))
        if len(found) != 1:
            raise ValueError(f"{quote!r} stands there {len(found)} times: a claim quotes what stands there once")
        return found[0].span()


def _lines(block: "re.Match[str]") -> list[tuple[int, str]]:
    """The lines of a table and their places in it, without the line below its header."""
    found = [(one.start(), one[0]) for one in re.finditer(r".+", block[0])]
    return [one for one in found if not re.fullmatch(r"\|[-:| ]+\|", one[1])]


def _cells(line: tuple[int, str], offset: int) -> list[tuple[int, str]]:
    place, text = line
    cells = re.finditer(r"(?<=\|)[^|\n]*(?=\|)", text)
    return [(offset + place + one.start(), one[0]) for one in cells]


def agrees(written: str, value: float) -> bool:
    """Whether ``value`` is ``written`` so, rounded to the digits that are written.

    >>> agrees(".0552", 0.05524), agrees("+10.8", 10.76), agrees("2e-4", 0.000163), agrees("−.5", 0.5)
    (True, True, True, False)
    """
    plain = written.replace("−", "-").replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(float(plain) - value) <= 0.5 * 10**-digits * (1 + 1e-9)
