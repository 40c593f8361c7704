"""A prepared data set."""

import json

import pytest

from calrec_recbole.data.pipeline import PrepareSettings, prepare


@pytest.fixture
def toys(tmp_path):
    """Three users of five reviews each; the first review stands twice."""
    lines = [("a", "v", 0)] + [(user, item, 100 * place) for user in "abc" for place, item in enumerate("vwxyz")]
    keys = ("reviewerID", "asin", "unixReviewTime")
    text = "".join(json.dumps(dict(zip(keys, line, strict=True)) | {"overall": 5.0}) + "\n" for line in lines)
    (tmp_path / "Toys_5.json").write_text(text)
    prepare(tmp_path / "Toys_5.json", None, tmp_path / "dataset", PrepareSettings(name="Toys"))
    return tmp_path / "dataset" / "Toys"
