"""What a folder of results shows."""

import json
from pathlib import Path

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.labels import manifest_of
from calrec_recbole.report.inputs.manifest import MANIFEST_FILE, Entry, Manifest, read_manifest


def test_a_results_folder_says_itself_what_it_shows(write_run, tmp_path):
    made = Manifest("x", "X", entries=[Entry("a", "LIR", "Tiny", str(write_run("LIR")))], data={"Tiny": "d"})
    made.write(tmp_path / "out")
    assert manifest_of([tmp_path / "out"]) == (made, tmp_path / "out")
    found, place = manifest_of([tmp_path / "runs" / "*" / "LIR"])
    assert place is None
    assert [entry.label for entry in found.entries] == ["LIR"]
    assert found.data == {"Tiny": str(Path("/secret/place/Tiny"))}
    with pytest.raises(DataError, match="is no folder"):
        manifest_of([tmp_path / "nowhere"])
    (tmp_path / "out" / MANIFEST_FILE).write_text("{}")
    with pytest.raises(DataError, match="lacks 'name'"):
        read_manifest(tmp_path / "out")


WHOLE = {"name": "x", "title": "X", "entries": [{"label": "a", "model": "LIR", "dataset": "Tiny", "folder": "f"}]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"notes": None}, "notes is empty, not a list"),
        ({"notes": [1]}, r"notes\[0\] is a int"),
        ({"data": {"Tiny": 5}}, "data.Tiny is a int"),
        ({"title": None}, "title is empty"),
        ({"entries": [{"label": "a"}]}, r"entries\[0\] lacks 'model'"),
        ({"paper": "2"}, "paper is a str"),
        ({"surprise": 1}, "is no comparison .*surprise"),
    ],
)
def test_a_comparison_of_other_kinds_of_values_is_named(tmp_path, change, fault):
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({**WHOLE, **change}))
    with pytest.raises(DataError, match=fault) as raised:
        read_manifest(tmp_path)
    assert str(tmp_path / MANIFEST_FILE) in str(raised.value)
