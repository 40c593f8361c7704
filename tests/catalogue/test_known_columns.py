import pytest

from calrec_recbole.catalogue.known_columns import known_columns, said_of
from calrec_recbole.errors import DataError

AMAZON = ["title", "category", "brand", "price"]


@pytest.mark.parametrize(
    ("columns", "named", "said"),
    [
        (AMAZON, {name: name for name in AMAZON}, ""),
        (
            ["item_id", "title", "price", "brand", "categories", "sales_type", "sales_rank"],
            {"title": "title", "category": "categories", "brand": "brand", "price": "price"},
            "category <- categories",
        ),
        (
            ["item_id", "movie_title", "release_year", "genre"],
            {"title": "movie_title", "category": "genre"},
            "title <- movie_title, category <- genre; no brand, price",
        ),
        (
            ["app_name", "developer", "genres", "id", "price", "tags", "title"],
            {"title": "title", "category": "genres", "brand": "developer", "price": "price"},
            "category <- genres, brand <- developer",
        ),
        (
            ["business_id", "item_name", "address", "categories"],
            {"title": "item_name", "category": "categories"},
            "title <- item_name, category <- categories; no brand, price",
        ),
    ],
)
def test_columns_of_recboles_data_sets(columns, named, said):
    assert known_columns(AMAZON, columns, "item_attributes") == named
    assert said_of(AMAZON, named) == said


def test_the_order_of_the_fields_is_kept_and_others_are_themselves():
    assert known_columns(["brand", "plot", "title"], ["name", "store"], "x") == {
        "brand": "store",
        "plot": "plot",
        "title": "name",
    }


def test_nothing_known_is_an_error():
    with pytest.raises(DataError, match=r"none of item_attributes=\['title', 'price'\] is a column"):
        known_columns(["title", "price"], ["latitude"], "item_attributes")
