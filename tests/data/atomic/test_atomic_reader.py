"""Fields against the csv module and by hand; lines and reasons of rows that cannot be used."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.data.atomic import AtomicFile, AtomicSettings, read_atomic
from calrec_recbole.errors import ConfigError, DataError


def rows_of(tmp_path, text, written="utf-8", **settings):
    file = tmp_path / "x.inter"
    file.write_bytes(text.encode(written))
    with AtomicFile(file, AtomicSettings(**settings)) as opened:
        rows = list(opened.rows(list))
        return opened.names, rows, opened.settle()


@pytest.mark.parametrize("separator", ["\t", ",", "|", "::"])
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.sampled_from('a"\t,|: é'), max_size=6)] * 3).filter(lambda row: "".join(row).strip())
    )
)
def test_what_csv_writes_is_read_as_it_was(rows, separator, tmp_path_factory):
    """Also fields that hold quotes and the separator; a line that is all blank is no row."""
    if len(separator) > 1:
        rows = [[field.replace(":", "") for field in row] for row in rows]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator[0] if len(separator) == 1 else "\1", lineterminator="\n")
    writer.writerows([["a", "b", "c"], *rows])
    text = out.getvalue().replace("\1", separator)
    _, found, _ = rows_of(tmp_path_factory.mktemp("csv"), text, field_separator=separator)
    assert found == [list(row) for row in rows if separator.join(row).strip()]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('i3\t"A', ["i3", '"A']),
        ('i6\tB"', ["i6", 'B"']),
        ('i7\t"Weird Al" Yankovic', ["i7", '"Weird Al" Yankovic']),
        ('i8\t"Heroes"', ["i8", "Heroes"]),
        ('i9\t"a ""b"" c"', ["i9", 'a "b" c']),
        ('i9\t"a "b" c"', ["i9", '"a "b" c"']),
        ('i9\t""', ["i9", ""]),
        ('i9\t"', ["i9", '"']),
        ('"i\t9"\tx', ["i\t9", "x"]),
        ('"i\t9"', ['"i', '9"']),
        ("i9\t\\\\N 'x' #", ["i9", "\\\\N 'x' #"]),
        ("i9\ta\rb\x0bc\u2028d\r", ["i9", "a\rb\x0bc\u2028d"]),
    ],
)
def test_a_field_is_unquoted_only_where_all_of_it_is_one_quoted_field(line, fields, tmp_path):
    assert rows_of(tmp_path, f"id:token\ttitle:token\n{line}\n")[1] == [fields]


def test_a_quote_that_opens_a_field_swallows_no_line(tmp_path):
    text = 'id:token\ttitle:token\ti:token\na\t"A\tx\nb\tB\tx\nc\tC"\tx\n'
    assert [row[0] for row in rows_of(tmp_path, text)[1]] == ["a", "b", "c"]


def test_rows_of_another_length_are_named_by_their_line_and_dropped_where_asked(tmp_path):
    text = "a:token\tb:float\n1\t2\n\n3\n4\t5\t6\n \n7\t8\0\n9\t10\n"
    message = r"x.inter line 4: 1 fields, expected 2; line 5: 3 fields, expected 2; line 7: a NUL byte: mend the rows"
    with pytest.raises(DataError, match=message):
        rows_of(tmp_path, text)
    names, rows, note = rows_of(tmp_path, text, bad_rows="drop")
    assert (names, rows) == (["a", "b"], [["1", "2"], ["9", "10"]])
    assert note.startswith("x.inter: 3 rows dropped by bad_rows=drop: line 4: 1 fields")


def test_many_bad_rows_are_counted(tmp_path):
    with pytest.raises(DataError, match=r"lines 2, 3, 4, 5, 6, ... \(9 in all\): 1 fields, expected 2: mend"):
        rows_of(tmp_path, "a\tb\n" + "x\n" * 9)


def test_a_last_line_without_an_end_is_told(tmp_path):
    assert "its last line has no line end" in rows_of(tmp_path, "a\tb\n1\t2\n1\t15")[2]
    assert rows_of(tmp_path, "a\tb\n1\t2\n")[2] == ""


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
def test_encodings(encoding, tmp_path):
    names, rows, _ = rows_of(tmp_path, "id:token\ttitle:token\n1\tCafé\n", encoding, encoding=encoding)
    assert (names, rows) == (["id", "title"], [["1", "Café"]])


def test_a_byte_order_mark_and_gbk(tmp_path):
    assert rows_of(tmp_path, "id:token\tb\n1\tx\n", "utf-8-sig")[0] == ["id", "b"]
    assert rows_of(tmp_path, "id\tb\n1\t中文\n", "gbk", encoding="gbk")[1] == [["1", "中文"]]


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", "line 3 "), ("gbk", "line 3 "), ("utf-16", "line 1 ")])
def test_another_encoding_is_named_with_its_line(encoding, line, tmp_path):
    with pytest.raises(DataError, match=f"x.inter {line}is not utf-8: give its encoding, such as --encoding=latin-1"):
        rows_of(tmp_path, "id\tb\n1\tx\n2\té中é\n" if encoding != "latin-1" else "id\tb\n1\tx\n2\té\n", encoding)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"bad_rows": "skip"}, "bad_rows='skip' must be one of error, drop"),
        ({"encoding": "utf-9"}, "encoding='utf-9' is none that Python knows"),
        ({"field_separator": ""}, "field_separator='' must be text"),
        ({"field_separator": '"'}, "must be text that stands between two fields"),
        ({"seq_separator": "\n"}, "seq_separator"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ConfigError, match=message):
        AtomicSettings(**setting)


def test_headers(tmp_path):
    with pytest.raises(DataError, match="two columns of one name: 'a'"):
        rows_of(tmp_path, "a:token\ta:float\n")
    file = tmp_path / "x.inter"
    file.write_text("a:token\tb:foo\tc\n")
    with AtomicFile(file, AtomicSettings()) as opened:
        assert opened.type_of("a") == opened.type_of("c") == "token"
        with pytest.raises(DataError, match="column 'b' has the type 'foo'; RecBole's are token, float"):
            opened.type_of("b")
        with pytest.raises(DataError, match=r"ITEM_ID_FIELD='item_id' is not a column of .*x.inter, only \['a'"):
            opened.place("item_id", "ITEM_ID_FIELD")


def renamed(tmp_path, header, **settings):
    (tmp_path / "x.inter").write_text(header + "\n")
    with AtomicFile(tmp_path / "x.inter", AtomicSettings(**settings)) as opened:
        return opened.names, opened.renamed


def test_known_names_stand_for_the_defaults_alone(tmp_path):
    yelp = "review_id:token\tuser_id:token\tbusiness_id:token\tdate:float"
    said = "x.inter: item_id <- business_id (ITEM_ID_FIELD), timestamp <- date (TIME_FIELD)"
    assert renamed(tmp_path, yelp) == (["review_id", "user_id", "item_id", "timestamp"], said)
    assert renamed(tmp_path, yelp, ITEM_ID_FIELD="business_id", TIME_FIELD="date")[1] == ""
    assert renamed(tmp_path, yelp, ITEM_ID_FIELD="busines_id")[0][2] == "business_id"
    assert renamed(tmp_path, "user_id\titem_id\tproduct_id\ttimestamp\tdate")[1] == ""


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.inter cannot be read"):
        next(read_atomic(tmp_path / "none.inter"))
