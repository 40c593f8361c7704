"""Tables of every kind give the same rows; what cannot be read is one line."""

import gzip

import pandas as pd
import pytest

from calrec_recbole.data.own.table_files import TableFile
from calrec_recbole.errors import ConfigError, DataError

ROWS = pd.DataFrame({"who": ["ann", "bob"], "what": ["007", "NA"], "note": ['a "b" c', "é, ü"]})


def file(path, text, **how):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return TableFile("--items", path, **how)


def read(table, *columns):
    found = table.read(columns)
    return found.rows.to_dict("list"), found.bad


WRITERS = {
    "t.csv": lambda path: ROWS.to_csv(path, index=False),
    "t.tsv": lambda path: ROWS.to_csv(path, index=False, sep="\t"),
    "t.txt": lambda path: ROWS.to_csv(path, index=False, sep="|"),
    "semicolon.csv": lambda path: ROWS.to_csv(path, index=False, sep=";"),
    "bom.csv": lambda path: ROWS.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n"),
    "t.csv.gz": lambda path: ROWS.to_csv(path, index=False),
    "t.jsonl": lambda path: ROWS.to_json(path, orient="records", lines=True),
    "t.jsonl.gz": lambda path: ROWS.to_json(path, orient="records", lines=True),
    "t.json": lambda path: ROWS.to_json(path, orient="records", indent=1),
    "t.parquet": lambda path: ROWS.to_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file(tmp_path, name):
    WRITERS[name](tmp_path / name)
    table = TableFile("--items", tmp_path / name)
    assert table.columns == ["who", "what", "note"]
    assert read(table, "what", "who", "what") == ({"what": ["007", "NA"], "who": ["ann", "bob"]}, {})
    assert read(table, "note")[0] == {"note": ['a "b" c', "é, ü"]}


def test_gzip_is_told_by_its_bytes(tmp_path):
    assert read(file(tmp_path / "t.csv", gzip.compress(b"a,b\n1,2\n")), "b") == ({"b": ["2"]}, {})


def test_without_a_header_columns_have_numbers(tmp_path):
    table = file(tmp_path / "u.data", "196\t242\t3\n186\t302\t3\n", header=False)
    assert table.columns == ["1", "2", "3"]
    assert read(table, "1", "2") == ({"1": ["196", "186"], "2": ["242", "302"]}, {})


def test_rows_of_other_lengths_are_bad_and_numbered_below_the_header(tmp_path):
    table = file(tmp_path / "t.csv", 'a,b\n1,"x\ny"\n1,2,3\n5\n6,7\n')
    assert read(table, "b") == ({"b": ["x\ny", "7"]}, {"other than 2 cells": [2, 3]})


def test_quotation_marks_as_text(tmp_path):
    text = 'id\ttitle\n1\t"A" is for\n2\t"B\n3\tC"\n'
    with pytest.raises(
        DataError, match=r"a quotation mark opens the cell 'B.n3.tC' of title and swallows rows; mend it, "
    ):
        file(tmp_path / "t.tsv", text).read(["title"])
    table = file(tmp_path / "t.tsv", text, quotes=False)
    assert read(table, "title") == ({"title": ['"A" is for', '"B', 'C"']}, {})


def test_json_lines_that_are_none_are_bad(tmp_path):
    table = file(tmp_path / "t.jsonl", '{"a": 1}\nx\n{"a": 2, "b": null}\n')
    assert read(table, "a", "b") == ({"a": [1, 2], "b": [None, None]}, {"not JSON": [2]})


def test_a_column_by_its_name(tmp_path):
    table = file(tmp_path / "t.csv", "user,item,title\n")
    assert table.column("--user", "user") == "user"
    assert table.column("--title", None, "title") == "title"
    assert table.column("--brand", None, "brand") == ""
    with pytest.raises(
        ConfigError, match=r"^--user=users is no column of .*; its columns are user, item, title; did you "
    ):
        table.column("--user", "users")
    with pytest.raises(
        ConfigError, match="its columns are 1, 1193, 978300760; if that is a row already, add --no_header"
    ):
        file(tmp_path / "t.csv", "1,1193,978300760\n").column("--user", "who")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"PK", "its name must end in one of .csv, .tsv"),
        ("t.csv", b"", "is empty"),
        ("t.csv", "é\n".encode("latin-1"), "is not UTF-8 text; convert it"),
        ("t.csv", b"a,b,a\n", "the column 'a' is there twice"),
        ("t.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("t.jsonl", b"x\n", "holds no JSON object"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        file(tmp_path / name, content)
    assert "\n" not in str(error.value)


def test_damage_behind_the_first_lines(tmp_path):
    text = b"a,b\n" + b"1,2\n" * 100
    latin = file(tmp_path / "t.csv", text + "é,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t.csv cannot be read: .*UTF"):
        latin.read(["a"])
    cut = file(tmp_path / "t.csv.gz", gzip.compress(text + bytes(range(256)) * 400)[:-200])
    with pytest.raises(DataError, match=r"t.csv.gz cannot be read: "):
        cut.read(["a"])
    with pytest.raises(DataError, match="is not a file"):
        TableFile("--items", tmp_path / "none.csv")
