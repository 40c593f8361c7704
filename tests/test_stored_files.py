"""Readers of stored files: the right value, or one line that names the file."""

import json

import pandas as pd
import pytest

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.stored_files import misfit, one_line, read_json, read_table, reading


@pytest.mark.parametrize(
    ("value", "shape", "fault"),
    [
        ({"a": 1}, {"a": int}, ""),
        ({"a": True}, {"a": int}, "a is true or false, not a number"),
        ({"a": True}, {"a": bool}, ""),
        ({}, {"a?": int}, ""),
        ({}, {"a": int}, "it lacks 'a'"),
        ({"a": {"b": [1, "x"]}}, {"a": {...: [int]}}, "a.b[1] is a str"),
        ({"a": 10**30}, {"a": (int, float)}, "a is too large"),
        ([], {}, "it is a list, not an object"),
        (None, [int], "it is empty, not a list"),
    ],
)
def test_a_value_fits_its_shape_or_the_place_is_told(value, shape, fault):
    assert misfit(value, shape) == fault


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b"1" * 5000, b"nul", b"\x00", b'["\\ud800"]']
)
def test_json_that_is_none_is_one_line_with_its_name(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_json(file, "do it again")
    told = str(raised.value)
    assert told.startswith(f"{file} is damaged (")
    assert told.endswith("): do it again")
    assert "\n" not in told


def test_json_is_what_was_written(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"é": [1, 2.5, None]}))
    assert read_json(file, "") == {"é": [1, 2.5, None]}
    with pytest.raises(DataError, match=r"is damaged \(é\[2\] is empty\): do it again"):
        read_json(file, "do it again", {"é": [(int, float)]})
    with pytest.raises(DataError, match="No such file"):
        read_json(tmp_path / "nowhere.json", "")


COLUMNS = {"user": ["a", "b"], "rank": [1, 2]}


def test_a_table_has_its_columns_in_their_kinds(tmp_path):
    file = tmp_path / "x.parquet"
    pd.DataFrame(COLUMNS).to_parquet(file)
    pd.testing.assert_frame_equal(read_table(file, "", ["user"], ["rank"]), pd.DataFrame(COLUMNS))


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"user": ["a", "b"]}, "lacks the column.s. rank"),
        ({"user": [1, 2], "rank": [1, 2]}, "user holds int64, not texts"),
        ({"user": ["a", "b"], "rank": [1.0, 2.0]}, "rank holds float64, not whole numbers"),
        ({"user": ["a", None], "rank": [1, 2]}, "user has gaps"),
    ],
)
def test_a_table_of_another_kind_is_named(tmp_path, columns, fault):
    file = tmp_path / "x.parquet"
    pd.DataFrame(columns).to_parquet(file)
    with pytest.raises(DataError, match=fault):
        read_table(file, "do it again", ["user"], ["rank"])


def test_every_cut_of_a_table_is_one_line(tmp_path):
    file = tmp_path / "x.parquet"
    pd.DataFrame(COLUMNS).to_parquet(file)
    whole = file.read_bytes()
    for end in range(0, len(whole), 97):
        file.write_bytes(whole[:end])
        with pytest.raises(DataError) as raised:
            read_table(file, "do it again")
        assert str(file) in str(raised.value)
        assert "\n" not in str(raised.value)


class PanicException(BaseException):
    """Named as the panics of Rust's libraries are."""


def test_foreign_errors_become_one_and_ours_pass():
    for problem in (KeyError("gone"), ZeroDivisionError(), RecursionError("deep\nup"), PanicException("a\nb")):
        with pytest.raises(DataError) as raised, reading("x is damaged", "again"):
            raise problem
        assert "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"^ours$"), reading("x is damaged", "again"):
        raise ConfigError("ours")
    with pytest.raises(KeyboardInterrupt), reading("x is damaged", "again"):
        raise KeyboardInterrupt


def test_a_bare_word_is_told_with_its_kind():
    assert one_line(KeyError("gone")) == "KeyError: 'gone'"
    assert one_line(ZeroDivisionError()) == "ZeroDivisionError"
    assert one_line(ValueError("a b\n c")) == "a b c"
