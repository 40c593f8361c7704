import pytest

from calrec_recbole.data.atomic import identifier, moment, number
from calrec_recbole.data.raw_file import BadLineError


@pytest.mark.parametrize("text", ["NA", "None", "null", "nan", "N/A", " a b ", "0", "#1", '"', "🎸"])
def test_any_text_is_an_id(text):
    assert identifier(text, "user_id") == text


@pytest.mark.parametrize("text", ["", " ", "\t", "\u3000"])
def test_blank_is_none(text):
    for read in (identifier, number, moment):
        with pytest.raises(BadLineError, match="x is empty"):
            read(text, "x")


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-1", -1), ("+.5", 0.5), ("1.", 1), ("1.5e3", 1500), (" 7 ", 7), ("007", 7)]
)
def test_numbers(text, value):
    assert number(text, "x") == moment(text, "x") == value


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "inf", "-Infinity", "1e400", "1_000", "12,5", "0x10", "ten", "٣", "1e39"]
)
def test_what_is_no_finite_number(text):
    with pytest.raises(BadLineError, match="x is no finite number"):
        number(text, "x")
    with pytest.raises(BadLineError, match="x is no finite number or ISO date"):
        moment(text, "x")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01 00:01:00", 60),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31", -86_400),
        ("1970-01-01 00:00:00.5", 0.5),
    ],
)
def test_dates(text, seconds):
    assert moment(text, "x") == seconds


@pytest.mark.parametrize("text", ["2001-13-45", "07/25/2017", "yesterday", "1e20", "-1e19"])
def test_what_is_no_time(text):
    with pytest.raises(BadLineError, match="no finite number or ISO date"):
        moment(text, "x")
