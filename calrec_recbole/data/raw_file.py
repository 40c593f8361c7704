"""A raw file as numbered JSON objects, in one pass: bad lines counted, bytes hashed, progress shown."""

import ast
import gzip
import hashlib
import io
import json
import sys
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

__all__ = ["BadLineError", "BadLines", "RawFile", "parse_line"]

FIRST_LINES = 5  # how many line numbers a summary names for each reason
CHUNK = 1 << 20  # bytes a read


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


def parse_line(line: bytes) -> dict[str, Any]:
    """The object on one line: JSON, or a Python dict literal.

    Raises:
        BadLineError: an empty line, not UTF-8, not JSON, not an object.
    """
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadLineError("not UTF-8") from None
    if not text.strip():
        raise BadLineError("empty line")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = _python_literal(text)
    if not isinstance(record, dict):
        raise BadLineError("not an object")
    return record


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
    if file.peek(2)[:2] == b"\x1f\x8b":
        yield from io.BufferedReader(_Unpacked(file), CHUNK)
    else:
        yield from file


class RawFile:
    """One pass over a raw file; ``lines``, ``bad``, ``size`` (bytes on disk) and ``sha256`` are complete after it.

    ``damaged``: its gzip data are cut off or damaged behind ``lines``.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.bad, self.lines, self.damaged = path, BadLines(), 0, False
        self.size, self.sha256 = 0, ""

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line number from 1, object) of every line that can be parsed; the others are counted in ``bad``."""
        with self.path.open("rb", buffering=0) as raw, self._bar() as bar:
            hashed = _HashedBytes(raw, bar)
            try:
                for self.lines, line in enumerate(_lines(io.BufferedReader(hashed, CHUNK)), start=1):
                    try:
                        yield self.lines, parse_line(line)
                    except BadLineError as error:
                        self.bad.add(str(error), self.lines)
            except (EOFError, zlib.error, gzip.BadGzipFile):
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
