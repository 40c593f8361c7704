import pytest

from calrec_recbole.catalogue import Catalogue, read_catalogue
from calrec_recbole.errors import DataError
from calrec_recbole.prompts import Attribute

TEMPLATE = (Attribute("title", "Title", 3), Attribute("brand", "Brand", 2))


def write(tmp_path, text):
    file = tmp_path / "x.item"
    file.write_text(text, encoding="utf-8")
    return file


def test_texts_follow_the_given_ids_and_unknown_items_read_unknown(tmp_path):
    file = write(tmp_path, "item_id:token\ttitle:token\tbrand:token\nb\tBlue pen\tBic\na\tNA\t\n")
    catalogue = read_catalogue(file, ["a", "c", "b"], TEMPLATE)
    assert catalogue.texts == (
        "Title: NA. Brand: Unknown.",
        "Title: Unknown. Brand: Unknown.",
        "Title: Blue pen. Brand: Bic.",
    )


def test_equal_texts_form_a_group(tmp_path):
    file = write(tmp_path, "item_id:token\ttitle:token\tbrand:token\na\tPen\tBic\nb\tInk\tBic\nc\tPen  \tBic\n")
    texts, group = read_catalogue(file, ["a", "b", "c"], TEMPLATE).distinct_texts
    assert texts == ("Title: Pen. Brand: Bic.", "Title: Ink. Brand: Bic.")
    assert group.tolist() == [0, 1, 0]


def test_titles_are_the_first_attribute_within_its_limit(tmp_path):
    file = write(tmp_path, "item_id:token\ttitle:token\tbrand:token\na\tBlue gel pen, fine\tBic\nb\t\tBic\n")
    assert read_catalogue(file, ["a", "b"], TEMPLATE).titles == ("Blue gel pen,", "Unknown")
    assert Catalogue(("x",), ("no template",)).titles == ("no template",)


def test_quoted_fields_as_the_csv_dialect_writes_them(tmp_path):
    file = write(tmp_path, 'item_id:token\ttitle:token\tbrand:token\na\t"""Best"" pen"\tO\'Neill\n')
    assert read_catalogue(file, ["a"], TEMPLATE).texts == ('Title: "Best" pen. Brand: O\'Neill.',)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id:token\ttitle:token\na\tPen\n", "no column 'brand'"),
        ("item_id:token\ttitle:token\tbrand:token\na\tPen\n", "line 2: 2 fields, expected 3"),
        ("", "no column 'item_id'"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_catalogue(write(tmp_path, text), ["a"], TEMPLATE)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="prepare the data set again"):
        read_catalogue(tmp_path / "none.item", ["a"], TEMPLATE)
