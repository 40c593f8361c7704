"""The keys of each release, read by hand-written records of it."""

from calrec_recbole.data.amazon import read_parts
from calrec_recbole.data.layouts.containers import comma_separated
from calrec_recbole.data.layouts.known_layouts import LAYOUTS, METADATA
from calrec_recbole.data.metadata import read_metadata
from calrec_recbole.data.raw_file import JSON_LINES


def test_milliseconds_become_seconds_and_parts_are_numbered(tmp_path):
    (tmp_path / "a").write_text("user_id,parent_asin,rating,timestamp\nu,i,4.0,1588615855070\n")
    (tmp_path / "b").write_text("user_id,parent_asin,rating,timestamp\nu,j,,500\nv,,1,2\n")
    events, files = read_parts([tmp_path / "a", tmp_path / "b"], LAYOUTS["amazon2023"], comma_separated())
    assert events.table["timestamp"].tolist() == [1588615855.07, 0.5]
    assert events.table["part"].tolist() == [0, 1]
    assert (events.users, events.items) == (["u"], ["i", "j"])
    assert files[1].bad.summary() == {"lacks item (parent_asin)": {"lines": 1, "first": [3]}}


def test_metadata_of_2023_has_store_and_categories(tmp_path):
    path = tmp_path / "m"
    path.write_text(
        '{"parent_asin": "a", "title": "Soap", "store": "Howard", "categories": ["Beauty", "Bath", "Soaps"]'
        ', "main_category": "All Beauty", "price": 3.5, "features": ["x"], "description": ["long", "text"]}\n'
        '{"parent_asin": "b", "title": "Rope", "store": null, "categories": [], "main_category": "Tools"}\n'
        '{"title": "nobody"}\n'
    )
    metadata, file = read_metadata(path, {"a", "b"}, "path_without_root", None, METADATA[1], JSON_LINES)
    assert metadata.texts == {"a": ("Soap", "Bath Soaps", "Howard", "$3.50"), "b": ("Rope", "Tools", "", "")}
    assert file.bad.summary() == {"lacks item (parent_asin)": {"lines": 1, "first": [3]}}
    by_main = read_metadata(path, {"a"}, "main_cat", None, METADATA[1], JSON_LINES)[0]
    assert by_main.texts["a"][1] == "All Beauty"
