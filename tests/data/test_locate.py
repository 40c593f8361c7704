"""Raw files are found in a folder or one level below it."""

from pathlib import Path

import pytest

from calrec_recbole.data.locate import find_metadata, find_reviews, raw_stem
from calrec_recbole.errors import DataError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("name", "stem"),
    [("Beauty_5.json.gz", "Beauty"), ("reviews_Beauty_5.json.gz", "Beauty"), ("My.json", "My"), ("any_5.x", "any_5.x")],
)
def test_stem(name, stem):
    assert raw_stem(Path(name)) == stem


def test_the_core_comes_first_and_one_level_below_is_searched(tmp_path):
    full = touch(tmp_path / "B.json.gz")
    assert find_reviews(tmp_path, "B") == full
    core = touch(tmp_path / "below" / "B_5.json")
    assert find_reviews(tmp_path, "B") == core
    here = touch(tmp_path / "B_5.json")
    assert find_reviews(tmp_path, "B") == here
    touch(tmp_path / "All_B_5.json.gz")
    assert find_reviews(tmp_path, "B") == here


def test_two_matches_below_must_be_chosen_from(tmp_path):
    touch(tmp_path / "x" / "B_5.json")
    touch(tmp_path / "y" / "B_5.json")
    with pytest.raises(DataError, match="both match; choose one by --reviews=FILE"):
        find_reviews(tmp_path, "B")


def test_nothing_found_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no B_5.json.gz \(or .*\) in --raw=.*--download"):
        find_reviews(tmp_path, "B")
    with pytest.raises(DataError, match="is not a folder"):
        find_reviews(tmp_path / "none", "B")


def test_metadata_lies_beside(tmp_path):
    assert find_metadata([tmp_path], "B") is None
    meta = touch(tmp_path / "meta_B.json")
    assert find_metadata([tmp_path / "none", tmp_path], "B") == meta
