"""The shipped dataset YAML: the paper's 14 categories, unknown keys, the way to missing data."""

import pytest

from calrec_recbole.data import category, known_categories, missing_dataset_message
from calrec_recbole.data.categories import _category
from calrec_recbole.errors import ConfigError

EVALUATED = {
    "Scientific": "Industrial_and_Scientific",
    "Instruments": "Musical_Instruments",
    "Arts": "Arts_Crafts_and_Sewing",
    "Office": "Office_Products",
    "Games": "Video_Games",
    "Pet": "Pet_Supplies",
}
OTHERS = {
    "CDs": "CDs_and_Vinyl",
    "Automotive": "Automotive",
    "Phones": "Cell_Phones_and_Accessories",
    "Clothing": "Clothing_Shoes_and_Jewelry",
    "Electronics": "Electronics",
    "Food": "Grocery_and_Gourmet_Food",
    "Home": "Home_and_Kitchen",
    "Movies": "Movies_and_TV",
}


def test_the_papers_fourteen_categories_and_their_stems():
    known = known_categories()
    assert {name: known[name].stem for name in EVALUATED | OTHERS} == EVALUATED | OTHERS
    assert {name: known[name].user_fraction for name in EVALUATED if known[name].user_fraction < 1} == {
        "Office": 0.5,
        "Pet": 0.2,
    }
    assert all(category.root for category in known.values())
    assert "ml-100k" not in known


def test_names_and_stems_in_any_case():
    assert category("scientific").name == category("Industrial_and_Scientific").name == "Scientific"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"--category=Scientfic is not a known category; did you mean 'Scientific'\?"):
        category("Scientfic")
    with pytest.raises(ConfigError, match=r"known are AMAZON_FASHION, All_Beauty"):
        category("zzzzzz")


def test_an_unknown_key_is_an_error():
    with pytest.raises(ConfigError, match=r"dataset/X.yaml: unknown key 'prepare.steem'; did you mean 'stem'\?"):
        _category("X", {"steem": "X"})


def test_missing_dataset_message():
    message = missing_dataset_message("Scientific", "dataset/")
    assert "calrec prepare --category=Scientific --raw=DIR --out=dataset/" in message
    assert "https://nijianmo.github.io/amazon/" in message
    assert "--download" in message
    assert "\n" not in message
    assert "--download" not in missing_dataset_message("Beauty2014", "dataset/")
    assert "did you mean 'Instruments'?" in missing_dataset_message("Instrument", "dataset/")
