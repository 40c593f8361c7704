"""Rows of an atomic file with the numbers of their lines; what cannot be used is counted, never filled or skipped.

Fields: a line is cut at the separator. A field is unquoted only where the whole of it is one well-formed quoted field,
`"a ""b"" c"`; any other quote is text. Where a line has more fields than the header, a quoted field may hold the
separator. So files of the csv dialect (`calrec prepare`, pandas) and files without quoting (most of RecSysDatasets) are
read as they were written; no field goes over the end of a line.
"""

import re
from codecs import lookup
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

from calrec_recbole.data.raw_file import BadLineError, BadLines
from calrec_recbole.errors import ConfigError, DataError, must_be_one_of
from calrec_recbole.setting_groups import younger

__all__ = ["DROP", "AtomicFile", "AtomicSettings", "read_atomic"]

Row = TypeVar("Row")

BAD_ROWS = ("error", "drop")
DROP = BAD_ROWS[1]
TYPES = ("token", "float", "token_seq", "float_seq")
KNOWN = {  # setting -> names that stand for its default where a file has no column of that name
    "USER_ID_FIELD": ("session_id", "customer_id", "reviewer_id"),
    "ITEM_ID_FIELD": ("product_id", "business_id", "artist_id", "venue_id", "news_id", "movie_id", "book_id", "asin"),
    "TIME_FIELD": ("date", "time", "datetime", "unix_timestamp"),
}
QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True)
class AtomicSettings:
    """RecBole's settings of its atomic files; they hold for every file of a data set. ``seq_len``: field -> parts read.

    ``bad_rows``: rows that cannot be used are an ``error``, or are left out and counted (``drop``).
    """

    USER_ID_FIELD: str = "user_id"
    ITEM_ID_FIELD: str = "item_id"
    TIME_FIELD: str = "timestamp"
    field_separator: str = "\t"
    seq_separator: str = " "
    seq_len: Any = None
    encoding: str = "utf-8"
    bad_rows: str = younger("error", neutral="error")

    def __post_init__(self) -> None:
        must_be_one_of("bad_rows", self.bad_rows, BAD_ROWS)
        for name in ("field_separator", "seq_separator"):
            if getattr(self, name) in ("", "\n", '"'):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be text that stands between two fields")
        try:
            lookup(self.encoding)
        except LookupError:
            raise ConfigError(
                f"encoding={self.encoding!r} is none that Python knows: give utf-8, latin-1, gbk, utf-16, ..."
            ) from None

    @property
    def codec(self) -> str:
        """``encoding``; of UTF-8 also with a byte order mark."""
        return "utf-8-sig" if lookup(self.encoding).name == "utf-8" else self.encoding


class AtomicFile:
    """An open atomic file: ``names`` and ``types`` of its columns, then its rows; ``bad`` counts what rows left out.

    A column without a type is a token. Where the default of a field's setting is no column, a column of a ``KNOWN``
    name takes its name; ``renamed`` says so. Raises ``DataError`` for a file that is missing or not in its encoding.
    """

    def __init__(self, path: Path, settings: AtomicSettings) -> None:
        self.path, self.settings, self.bad, self.good = path, settings, BadLines(), 0
        self._lines = self._numbered_lines()
        self._open_end = False
        _, header = next(self._lines, (1, ""))
        columns = [_unquoted(column).strip() for column in header.split(settings.field_separator)]
        self.names = [column.partition(":")[0] for column in columns]
        self.types = [column.partition(":")[2] or "token" for column in columns]
        self.renamed = self._rename()
        twice = {name for name in self.names if self.names.count(name) > 1}
        if header and twice:
            raise DataError(f"{path} has two columns of one name: {sorted(twice)[0]!r}")

    def __enter__(self) -> "AtomicFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def _rename(self) -> str:
        """One line for people, or ``""``."""
        said, usual = [], AtomicSettings()
        for setting, aliases in KNOWN.items():
            name = getattr(self.settings, setting)
            alias = next((one for one in aliases if one in self.names), None)
            if alias and name == getattr(usual, setting) and name not in self.names:
                self.names[self.names.index(alias)] = name
                said.append(f"{name} <- {alias} ({setting})")
        return f"{self.path.name}: {', '.join(said)}" if said else ""

    def place(self, name: str, setting: str) -> int:
        """Where the column ``name`` stands; ``DataError`` that names ``setting`` where it is missing."""
        if name not in self.names:
            raise DataError(f"{setting}={name!r} is not a column of {self.path}, only {self.names}: mend {setting}")
        return self.names.index(name)

    def type_of(self, name: str) -> str:
        """One of ``TYPES``; ``DataError`` for another."""
        kind = self.types[self.names.index(name)]
        if kind not in TYPES:
            raise DataError(f"{self.path}: column {name!r} has the type {kind!r}; RecBole's are {', '.join(TYPES)}")
        return kind

    def rows(self, read: Callable[[list[str]], Row]) -> Iterator[Row]:
        """``read`` of the fields of every row, one a column; blank lines are no rows.

        Rows of another length, and those of which ``read`` raises ``BadLineError``, go to ``bad``.
        """
        separator, wanted = self.settings.field_separator, len(self.names)
        for line, text in self._lines:
            if not text.strip():
                continue
            try:
                row = read(_fields(text, separator, wanted))
            except BadLineError as problem:
                self.bad.add(str(problem), line)
                continue
            self.good += 1
            yield row

    def settle(self) -> str:
        """What to tell of the rows, in one line: those that ``bad_rows`` dropped, a last line that has no end.

        Raises ``DataError`` that names the first lines of each reason where ``bad_rows`` drops none.
        """
        if not self.bad.total:
            return f"{self.path.name}: its last line has no line end: it may be cut off" if self._open_end else ""
        found = "; ".join(_reason(reason, count, self.bad.first[reason]) for reason, count in self.bad.counts.items())
        if self.settings.bad_rows != DROP:
            raise DataError(f"{self.path} {found}: mend the rows, or leave them out by bad_rows={DROP}")
        return f"{self.path.name}: {self.bad.total} rows dropped by bad_rows={DROP}: {found}"

    def _numbered_lines(self) -> Generator[tuple[int, str], None, None]:
        """Lines end with a line feed, before which a carriage return may stand, and at nothing else."""
        try:
            with open(self.path, encoding=self.settings.codec, newline="\n") as lines:
                for number, line in enumerate(_decoded(lines, self.path, self.settings), start=1):
                    self._open_end = not line.endswith("\n")
                    yield number, line.removesuffix("\n").removesuffix("\r")
        except OSError as problem:
            raise DataError(f"{self.path} cannot be read ({problem.strerror}): prepare the data set again") from None


def read_atomic(path: Path, settings: AtomicSettings | None = None) -> Iterator[dict[str, str]]:
    """Rows of an atomic file as column name (without its type) -> text; ``DataError`` for bad rows, at the end."""
    with AtomicFile(path, settings or AtomicSettings()) as file:
        yield from file.rows(lambda row: dict(zip(file.names, row, strict=True)))
        file.settle()


def _decoded(lines: IO[str], path: Path, settings: AtomicSettings) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeError:
        where = _undecodable_line(path, settings.codec)
        raise DataError(
            f"{path} {where}is not {settings.encoding}: give its encoding, such as --encoding=latin-1 or gbk"
        ) from None


def _undecodable_line(path: Path, codec: str) -> str:
    """The first line that cannot be decoded, where a line can be decoded alone."""
    if "16" in codec or "32" in codec:
        return ""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode(codec)
            except UnicodeError:
                return f"line {number} "
    return ""


def _fields(text: str, separator: str, wanted: int) -> list[str]:
    if "\0" in text:
        raise BadLineError("a NUL byte")
    fields = text.split(separator)
    if '"' in text:
        if len(fields) > wanted:
            fields = _split_outside_quotes(text, separator)
        fields = [_unquoted(field) for field in fields]
    if len(fields) != wanted:
        raise BadLineError(f"{len(fields)} fields, expected {wanted}")
    return fields


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    fields: list[str] = []
    start = 0
    while True:
        quoted = QUOTED.match(text, start)
        end = quoted.end() if quoted and text.startswith(separator, quoted.end()) else None
        if quoted and quoted.end() == len(text):
            return [*fields, text[start:]]
        if end is None:
            end = text.find(separator, start)
        if end < 0:
            return [*fields, text[start:]]
        fields.append(text[start:end])
        start = end + len(separator)


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field[:1] == '"' and QUOTED.fullmatch(field) else field


def _reason(reason: str, count: int, first: list[int]) -> str:
    lines = ", ".join(map(str, first)) + (f", ... ({count} in all)" if count > len(first) else "")
    return f"line{'s' * (count > 1)} {lines}: {reason}"
