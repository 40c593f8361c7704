"""A raw file as numbered records, in one pass: bad lines counted, bytes hashed, progress shown."""

import ast
import gzip
import hashlib
import io
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from tqdm import tqdm

__all__ = [
    "JSON_LINES",
    "BadLineError",
    "BadLines",
    "Container",
    "Numbered",
    "RawFile",
    "decoded",
    "first_lines",
    "parse_line",
]

FIRST_LINES = 5  # how many line numbers a summary names for each reason
CHUNK = 1 << 20  # bytes a read
GZIP = b"\x1f\x8b"
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


class BadLineError(Exception):
    """A line that cannot be used; its message is the reason, without the line's content."""


@dataclass
class BadLines:
    """Reason -> how many lines, and the numbers (from 1) of the first five of them."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, line: int) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        numbers = self.first.setdefault(reason, [])
        if len(numbers) < FIRST_LINES:
            numbers.append(line)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def summary(self) -> dict[str, dict[str, Any]]:
        """The counts for JSON: ``{"not JSON": {"lines": 2, "first": [4, 9]}}``."""
        return {reason: {"lines": count, "first": self.first[reason]} for reason, count in self.counts.items()}


def _python_literal(text: str) -> Any:
    """A dict as Python prints it, the way the 2014 release writes metadata; ``ast`` runs no code."""
    if not text.lstrip().startswith("{'"):
        raise BadLineError("not JSON")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape such as "\d" is legal text here
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise BadLineError("not JSON") from None


def decoded(line: bytes) -> str:
    """The text of one line, without a byte order mark. Raises ``BadLineError`` where it is not UTF-8."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadLineError("not UTF-8") from None


def parse_line(line: bytes) -> dict[str, Any]:
    """The object on one line: JSON, or a Python dict literal.

    Raises:
        BadLineError: an empty line, not UTF-8, not JSON, not an object.
    """
    text = decoded(line)
    if not text.strip():
        raise BadLineError("empty line")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = _python_literal(text)
    if not isinstance(record, dict):
        raise BadLineError("not an object")
    return record


Numbered = tuple[int, dict[str, Any] | BadLineError]  # a number from 1, and the record or why there is none


class Container(NamedTuple):
    """How a file holds its records: what their numbers count (lines, elements), and how they are read from lines."""

    counts: str
    records: Callable[[Iterable[bytes]], Iterator[Numbered]]


def _json_lines(lines: Iterable[bytes]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, start=1):
        try:
            yield number, parse_line(line)
        except BadLineError as error:
            yield number, error


JSON_LINES = Container("lines", _json_lines)


class _HashedBytes(io.RawIOBase):
    """Reads through to ``raw``; hashes what passes and moves ``bar`` along."""

    def __init__(self, raw: IO[bytes], bar: Any) -> None:
        self.raw, self.bar, self.hash, self.size = raw, bar, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self.raw.readinto(buffer)  # type: ignore[attr-defined]
        self.hash.update(memoryview(buffer)[:n])
        self.size += n
        self.bar.update(n)
        return int(n)


class _Unpacked(io.RawIOBase):
    """Unpacks gzip data piece by piece, so that what comes before damage is not lost with it."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self.unpacked = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.unpacked.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Lines of a plain or gzipped file, told apart by the first two bytes, not by the name."""
    if file.peek(2)[:2] == GZIP:
        yield from io.BufferedReader(_Unpacked(file), CHUNK)
    else:
        yield from file


def first_lines(path: Path, count: int) -> list[bytes]:
    """The first ``count`` lines of a plain or gzipped file, of 2 MiB together; fewer where it is damaged."""
    found: list[bytes] = []
    left = 2 * CHUNK
    with path.open("rb") as packed:
        file = io.BufferedReader(_Unpacked(packed), CHUNK) if packed.peek(2)[:2] == GZIP else packed
        try:
            while len(found) < count and (line := file.readline(left)):
                found.append(line)
                left -= len(line)
        except DAMAGE:
            pass
    return found


class RawFile:
    """One pass over a raw file; ``lines``, ``bad``, ``size`` (bytes on disk) and ``sha256`` are complete after it.

    ``lines`` and the numbers of ``bad`` count what the container counts. ``damaged``: the gzip data are cut off or
    damaged behind ``lines``.
    """

    def __init__(self, path: Path, container: Container = JSON_LINES) -> None:
        self.path, self.container, self.bad, self.lines, self.damaged = path, container, BadLines(), 0, False
        self.size, self.sha256 = 0, ""

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number from 1, record) of every record that can be parsed; the others are counted in ``bad``."""
        with self.path.open("rb", buffering=0) as raw, self._bar() as bar:
            hashed = _HashedBytes(raw, bar)
            try:
                for number, record in self.container.records(_lines(io.BufferedReader(hashed, CHUNK))):
                    self.lines = number
                    if isinstance(record, BadLineError):
                        self.bad.add(str(record), number)
                    else:
                        yield number, record
            except DAMAGE:
                self.damaged = True
                self.bad.add("gzip data cut off or damaged from here on", self.lines + 1)
            while hashed.read(CHUNK):  # what lies behind damaged data still belongs to the hash
                pass
            self.size, self.sha256 = hashed.size, hashed.hash.hexdigest()

    def _bar(self) -> Any:
        quiet = not sys.stderr.isatty()  # a log file gets a line every ten seconds, a terminal a live bar
        total = self.path.stat().st_size
        name = self.path.name
        return tqdm(total=total, unit="B", unit_scale=True, desc=name, mininterval=10 if quiet else 0.2)

    def summary(self) -> dict[str, Any]:
        """The file for JSON: name, size, hash, lines and bad lines."""
        facts = {"file": self.path.name, "bytes": self.size, "sha256": self.sha256, "lines": self.lines}
        return {**facts, "bad_lines": self.bad.summary()}
