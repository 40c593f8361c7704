"""CSV files that are read back as they were and that a spreadsheet does not compute."""

import csv

import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.report.csv_frames import read_frame, write_frame

LABELS = ["=1+1", "+A1", "-x", "@SUM(A1)", "'=quoted", "plain", "NA", "", "a,b", 'say "x"', "\tx", "two\nlines"]


def test_a_text_that_begins_like_a_formula_is_quoted_and_comes_back(tmp_path):
    file = tmp_path / "x.csv"
    frame = pd.DataFrame({"label": LABELS, "value": [-0.1] * len(LABELS)})
    write_frame(frame, file)
    with file.open(newline="") as lines:
        cells = [row[0] for row in csv.reader(lines)][1:]
    assert cells[:6] == ["'=1+1", "'+A1", "'-x", "'@SUM(A1)", "''=quoted", "plain"]
    pd.testing.assert_frame_equal(read_frame(file, ["label"], ["value"], ""), frame)


def test_numbers_are_the_same_to_the_last_bit(tmp_path):
    values = [0.1, 1 / 3, 2.2250738585072014e-308, float("nan"), 1e22]
    frame = pd.DataFrame({"value": values, "users": [3, -4, 0, 2**40, 1]})
    write_frame(frame, tmp_path / "x.csv")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "x.csv", [], ["value"], ""), frame, check_exact=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"label,value\na,b\n", b"other\n1\n", b'label,value\n"a'])
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_frame(file, ["label"], ["value"], "again")
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
