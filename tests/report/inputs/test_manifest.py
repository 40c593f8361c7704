"""What a folder of results shows."""

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
    with pytest.raises(DataError, match="is no comparison"):
        read_manifest(tmp_path / "out")
