"""Attributes of items, and the three sources of the category."""

import json

import pytest

from calrec_recbole.data.metadata import CATEGORY_SOURCES, read_metadata

ROOT = "Industrial & Scientific"


@pytest.mark.parametrize(
    ("path", "with_root", "without_known_root"),
    [
        ([ROOT, "Abrasive &amp; Finishing", "Sanding"], "Abrasive & Finishing Sanding", "Abrasive & Finishing Sanding"),
        ([ROOT + " Abrasive & Finishing"], "Abrasive & Finishing", ROOT + " Abrasive & Finishing"),
        ([ROOT], "", ROOT),
        (["Tools", "Saws"], "Tools Saws", "Saws"),
        ([ROOT + "s"], ROOT + "s", ROOT + "s"),
        ([ROOT, "Sanding", "</span></span></span>"], "Sanding", "Sanding"),
        ([], "", ""),
        ("Sanding", "Sanding", "Sanding"),
    ],
)
def test_path_without_root(path, with_root, without_known_root):
    source = CATEGORY_SOURCES["path_without_root"]
    assert source({"category": path}, ROOT).text == with_root
    assert source({"category": path}, None).text == without_known_root


def test_path_and_main_cat():
    record = {"category": [ROOT, "A &amp; B"], "main_cat": "Tools &amp; Home"}
    assert CATEGORY_SOURCES["path"](record, ROOT).text == ROOT + " A & B"
    assert CATEGORY_SOURCES["main_cat"](record, ROOT).text == "Tools & Home"
    for nothing in (None, "", "  ", "None", '<img src="x.png"/>', '<img src="x.png" alt=""/>'):
        assert CATEGORY_SOURCES["main_cat"](record | {"main_cat": nothing}, ROOT).text == "A & B"
    image = '<img src="https://x/y.png" class="nav-categ-image" alt="Arts, Crafts &amp; Sewing"/>'
    assert CATEGORY_SOURCES["main_cat"](record | {"main_cat": image}, ROOT).text == "Arts, Crafts & Sewing"
    assert CATEGORY_SOURCES["path"]({"categories": [["Beauty", "Hair"], ["Other"]]}, None).text == "Beauty Hair"


def test_read_metadata(tmp_path):
    lines = [
        {"asin": "a", "title": "<span class=", "brand": "B", "price": ".x{color:red}", "category": ["C"]},
        {"asin": "a", "title": "second line of a"},
        {"asin": "other", "title": "not wanted"},
        {"title": "no id"},
        {"asin": "b", "title": "T", "price": 2.5},
        {"asin": None},
        {"asin": "c", "title": "None", "category": [7, None, float("nan"), "Leaf"], "price": float("nan")},
        {"asin": "c", "title": "again"},
        {"asin": "d", "title": None, "brand": "nan"},
        {"asin": "d", "title": 1984, "brand": 3},
        {"asin": "e", "title": "T", "price": 10**401},
    ]
    path = tmp_path / "meta.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    metadata, file = read_metadata(path, set("abcde"), "path", ROOT)
    assert metadata.texts == {
        "a": ("", "C", "B", ""),
        "b": ("T", "", "", "$2.50"),
        "c": ("", "7 Leaf", "", ""),
        "d": ("1984", "", "3", ""),
    }
    assert metadata.repeated == 3
    assert metadata.markup == {"title": 1, "price": 1}
    assert file.bad.summary() == {
        "lacks item (asin)": {"lines": 2, "first": [4, 6]},
        "number beyond 10^18 in a text field": {"lines": 1, "first": [11]},
    }
