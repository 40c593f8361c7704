import pytest

from calrec_recbole.data.atomic import AtomicSettings, read_item_rows
from calrec_recbole.errors import DataError

HEAD = "item_id:token\ttitle:token\tclass:token_seq\n"


def read(tmp_path, text, wanted=None, **settings):
    file = tmp_path / "x.item"
    file.write_text(text, encoding="utf-8")
    return read_item_rows(file, AtomicSettings(**settings), wanted)


def test_the_first_row_that_is_not_empty_counts_and_an_empty_one_erases_nothing(tmp_path):
    rows = read(tmp_path, HEAD + "a\tOne\tx\nb\t\t\na\tTwo\ty\nb\tLate\t\na\t\t\nb\tLater\t\n")
    assert rows.columns(["a", "b", "c"], ["title"], "item_attributes") == [
        {"title": "One"},
        {"title": "Late"},
        {"title": ""},
    ]
    assert rows.repeated == 4
    assert rows.notes == ("x.item: 4 rows repeat an item; the first that is not empty counts",)


def test_ids_that_read_as_null_are_ids_and_cells_that_do_are_missing(tmp_path):
    rows = read(tmp_path, HEAD + "NA\tNA\tnan\nNone\tNone\tx\nnan\t<NA>\tNaN\nnull\tnull\tNancy\n")
    titles = rows.columns(["NA", "None", "nan", "null"], ["title", "class"], "item_attributes")
    assert [tuple(one.values()) for one in titles] == [("NA", ""), ("", "x"), ("", ""), ("null", "Nancy")]


def test_only_wanted_items_are_kept(tmp_path):
    assert list(read(tmp_path, HEAD + "a\tA\t\nb\tB\t\n", {"b"}).cells) == ["b"]


def test_parts_of_a_sequence_stand_one_space_apart(tmp_path):
    rows = read(tmp_path, HEAD + "a\tA|B\tSci Fi|Drama||Action \n", seq_separator="|")
    assert rows.columns(["a"], ["title", "class"], "x") == [{"title": "A|B", "class": "Sci Fi Drama Action"}]


def test_the_column_of_ids(tmp_path):
    assert list(read(tmp_path, "product_id\ttitle\np\tP\n", ITEM_ID_FIELD="product_id").cells) == ["p"]
    steam = read(tmp_path, "app_name:token\tid:token\nHalf-Life\t70\n", ITEM_ID_FIELD="product_id")
    assert (steam.names, list(steam.cells)) == (["app_name", "product_id"], ["70"])
    known = read(tmp_path, "product_id\ttitle\np\tP\n")
    assert (known.names, known.notes) == (["item_id", "title"], ("x.item: item_id <- product_id (ITEM_ID_FIELD)",))
    with pytest.raises(DataError, match=r"no column 'item_id', only \['sku', 'title'\]: mend ITEM_ID_FIELD"):
        read(tmp_path, "sku\ttitle\np\tP\n")


def test_rows_without_an_id_are_named_or_dropped(tmp_path):
    text = HEAD + "a\tA\t\n \tB\t\nc\n"
    with pytest.raises(DataError, match="line 3: the item's id is empty; line 4: 1 fields, expected 3"):
        read(tmp_path, text)
    rows = read(tmp_path, text, bad_rows="drop")
    assert (list(rows.cells), rows.dropped) == (["a"], 2)
    assert rows.notes[0].startswith("x.item: 2 rows dropped by bad_rows=drop")
