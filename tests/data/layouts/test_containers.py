"""JSON arrays and comma-separated values become the records that JSON lines give."""

import json

import pytest

from calrec_recbole.data.layouts.containers import JSON_ARRAY, comma_separated
from calrec_recbole.data.raw_file import JSON_LINES, BadLineError

OBJECTS = [{"a": 1}, {"a": [2, {"b": "]},{"}]}, {"a": 'quote " and ü'}]


def read(container, text):
    found = container.records(text.encode().splitlines(keepends=True))
    return [(number, str(one) if isinstance(one, BadLineError) else one) for number, one in found]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n \n"])
def test_an_array_however_it_is_laid_out(indent, before):
    text = before + json.dumps(OBJECTS, indent=indent, ensure_ascii=False)
    assert read(JSON_ARRAY, text) == list(enumerate(OBJECTS, start=1))


def test_an_array_with_an_object_a_line():
    text = "[\n" + ",\n".join(json.dumps(one) for one in OBJECTS) + "\n]\n"
    assert read(JSON_ARRAY, text) == list(enumerate(OBJECTS, start=1))


def test_what_is_no_object_and_where_an_array_breaks():
    assert read(JSON_ARRAY, '[{"a": 1}, 7, {"a": 2}]') == [(1, {"a": 1}), (2, "not an object"), (3, {"a": 2})]
    assert read(JSON_ARRAY, '[{"a": 1}, {"a": ') == [(1, {"a": 1}), (2, "not JSON from here on")]
    assert read(JSON_ARRAY, "[]") == []


def test_a_long_array_is_read_piece_by_piece():
    text = json.dumps([{"n": n} for n in range(5000)], indent=1)
    assert [one["n"] for _, one in read(JSON_ARRAY, text)] == list(range(5000))


def test_csv_with_a_header_and_with_columns():
    assert read(comma_separated(), "u,i\r\nann,1\r\n") == [(2, {"u": "ann", "i": "1"})]
    assert read(comma_separated("ui"), "ann,1\nbob,2") == [(1, {"u": "ann", "i": "1"}), (2, {"u": "bob", "i": "2"})]


def test_a_quote_never_swallows_the_next_line():
    text = 'u,i\n"a,b","say ""hi"""\n"open,1\ncid,2\nd,1,2\n\n'
    assert read(comma_separated(), text) == [
        (2, {"u": "a,b", "i": 'say "hi"'}),
        (3, "not csv"),
        (4, {"u": "cid", "i": "2"}),
        (5, "not 2 columns"),
        (6, "empty line"),
    ]


def test_the_containers_count_what_they_number():
    assert (JSON_LINES.counts, JSON_ARRAY.counts, comma_separated().counts) == ("lines", "elements", "lines")
