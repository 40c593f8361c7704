"""A table of one's own as a DataFrame: csv, tsv, JSON, Parquet; only the columns that are asked for."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from calrec_recbole.data.layouts.containers import JSON_ARRAY
from calrec_recbole.data.raw_file import GZIP, JSON_LINES, BadLineError, RawFile, decoded, first_lines
from calrec_recbole.errors import ConfigError, DataError, did_you_mean

__all__ = ["Table", "TableFile"]

SEPARATORS = (",", "\t", ";", "|")
JSON = (".json", ".jsonl", ".ndjson")
TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data")
PARQUET = (".parquet", ".pq")


@dataclass
class Table:
    """``rows``: the columns asked for; ``bad``: reason -> numbers of the rows (from 1, without the header) left out."""

    rows: pd.DataFrame
    bad: dict[str, list[int]] = field(default_factory=dict)


class TableFile:
    """A table's names of columns are read at once, its rows by ``read``.

    ``option`` names the file in messages. Without a ``header`` the columns are called 1, 2, ...; ``quotes`` False takes
    a quotation mark for a character as others are.

    Raises:
        DataError: the file is missing, of an unknown kind or damaged.
    """

    def __init__(self, option: str, path: Path, header: bool = True, quotes: bool = True) -> None:
        self.path, self.header, self.quotes = path, header, quotes
        self.shown = f"{option}={path}"
        if not path.is_file():
            raise DataError(f"{self.shown} is not a file")
        kind = _kind(path)
        self.separator = self._separator() if kind in TEXT else ""
        if kind in TEXT:
            self.columns = self._csv_columns()
        elif kind in PARQUET:
            self.columns = self._parquet_columns()
        elif kind in JSON:
            self.columns = self._json_columns()
        else:
            known = ", ".join((*TEXT, *JSON, *PARQUET))
            raise DataError(f"{self.shown}: its name must end in one of {known}, or one of these and .gz")
        self._read = {**dict.fromkeys(TEXT, self._csv), **dict.fromkeys(JSON, self._json)}.get(kind, self._parquet)

    def column(self, option: str, name: str | None, default: str = "") -> str:
        """The column ``name``; where None, ``default`` if there is such a column, else ``""``.

        Raises:
            ConfigError: there is no column ``name``; names the columns.
        """
        if name is None:
            return default if default in self.columns else ""
        if name in self.columns:
            return name
        shown = ", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")
        hint = did_you_mean(name, self.columns) or self._hint()
        raise ConfigError(f"{option}={name} is no column of {self.path}; its columns are {shown}{hint}")

    def _hint(self) -> str:
        """Where the header looks like a row."""
        numbers = any(name.replace(".", "", 1).isdigit() for name in self.columns)
        return (
            "; if that is a row already, add --no_header and give --user=1 and so on" if self.header and numbers else ""
        )

    def read(self, columns: Sequence[str]) -> Table:
        """The ``columns``; of csv as text, else as the file holds them. A missing cell is None or NaN.

        Raises:
            DataError: the file cannot be parsed.
        """
        return self._read(list(dict.fromkeys(columns)))

    # Text

    def _lines(self) -> list[str]:
        try:
            return [decoded(line) for line in first_lines(self.path, 20)]
        except BadLineError:
            raise DataError(f"{self.shown} is not UTF-8 text; convert it, for example by `iconv -t utf-8`") from None

    def _separator(self) -> str:
        """The one of ``SEPARATORS`` that is in the first line most often; a tab wins, for texts hold none."""
        first = next(iter(self._lines()), "")
        if not first.strip():
            raise DataError(f"{self.shown} is empty")
        if "\t" in first:
            return "\t"
        return max(SEPARATORS, key=first.count)

    def _csv_columns(self) -> list[str]:
        first = self._lines()[0].rstrip("\r\n")
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        names = next(csv.reader([first], delimiter=self.separator, quoting=quoting))
        if not self.header:
            return [str(number) for number in range(1, len(names) + 1)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{self.shown}: the column {twice[0]!r} is there twice; rename one")
        return names

    def _csv(self, columns: list[str]) -> Table:
        """Rows of fewer or more cells than the header are bad."""
        invalid: list[int] = []

        def leave_out(row: arrow_csv.InvalidRow) -> str:
            invalid.append(row.number - self.header)
            return "skip"

        with self.path.open("rb") as file:
            packed = file.read(2) == GZIP
        try:
            with pa.input_stream(self.path, compression="gzip" if packed else None) as stream:
                rows = arrow_csv.read_csv(
                    stream,
                    arrow_csv.ReadOptions(use_threads=False, column_names=self.columns, skip_rows=int(self.header)),
                    arrow_csv.ParseOptions(
                        delimiter=self.separator,
                        quote_char='"' if self.quotes else False,
                        newlines_in_values=self.quotes,
                        invalid_row_handler=leave_out,
                    ),
                    arrow_csv.ConvertOptions(
                        include_columns=columns,
                        column_types=dict.fromkeys(columns, pa.string()),
                        strings_can_be_null=False,
                    ),
                ).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.shown} cannot be read: {str(error).splitlines()[0]}") from None
        self._refuse_swallowed(rows)
        return Table(rows, {f"other than {len(self.columns)} cells": invalid} if invalid else {})

    def _refuse_swallowed(self, rows: pd.DataFrame) -> None:
        """A stray quotation mark makes one cell of all that stands before the next one."""
        for name in rows.columns:
            for cell in rows.loc[rows[name].str.contains("\n", regex=False), name]:
                if any(line.count(self.separator) >= len(self.columns) - 1 for line in cell.split("\n")):
                    raise DataError(
                        f"{self.shown}: a quotation mark opens the cell {cell[:30]!r} of {name} and swallows "
                        "rows; mend it, or add --no_quotes"
                    )

    # JSON

    def _json_file(self) -> RawFile:
        first = b"".join(first_lines(self.path, 20)).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        return RawFile(self.path, JSON_ARRAY if first == b"[" else JSON_LINES)

    def _json_columns(self) -> list[str]:
        lines = first_lines(self.path, 1000)
        found = [one for _, one in self._json_file().container.records(lines) if isinstance(one, dict)]
        if not found:
            raise DataError(f"{self.shown} holds no JSON object")
        return list(dict.fromkeys(key for one in found for key in one))

    def _json(self, columns: list[str]) -> Table:
        file = self._json_file()
        records = [[one.get(name) for name in columns] for _, one in file.objects()]
        rest = {why: count - len(file.bad.first[why]) for why, count in file.bad.counts.items()}
        bad = {why: [*file.bad.first[why], *[0] * rest[why]] for why in rest}  # 0: a row whose number is not kept
        return Table(pd.DataFrame(records, columns=columns, dtype=object), bad)

    # Parquet

    def _parquet_columns(self) -> list[str]:
        try:
            return list(parquet.read_schema(self.path).names)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.shown} cannot be read as Parquet: {error}") from None

    def _parquet(self, columns: list[str]) -> Table:
        try:
            return Table(pd.read_parquet(self.path, columns=columns))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.shown} cannot be read as Parquet: {error}") from None


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix
