"""What stands in results/: enough to make every page again, and no more."""

import json
import re
from pathlib import Path

import pytest

from calrec_recbole.report import manifest_of, write_report
from calrec_recbole.report.inputs.kept import read_kept

RESULTS = Path(__file__).resolve().parents[2] / "results"
TABLES = sorted(file.parent for file in RESULTS.glob("*/comparison.json"))
KINDS = {".csv", ".json", ".yaml", ".md", ".txt"}
MOST_BYTES, MOST_WITH_RANKS = 3_000_000, 8_000_000


def _kept_files() -> list[Path]:
    """Without what `calrec report` makes there, which git ignores."""
    made = {"report.html", "table.tex", "results.parquet"}
    files = [file for file in RESULTS.rglob("*") if file.is_file() and not {"plots", ".cache"} & set(file.parts)]
    return [file for file in files if file.name not in made]


@pytest.mark.parametrize("folder", TABLES, ids=lambda folder: folder.name)
def test_the_table_is_made_again_from_what_is_kept(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no run folder is here
    monkeypatch.setattr("calrec_recbole.report.plots.all_plots.draw_plots", lambda *_: [])
    manifest, place = manifest_of([folder])
    write_report(manifest, tmp_path / "out", kept_in=place)
    assert (tmp_path / "out" / "table.md").read_text() == (folder / "table.md").read_text()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "was not kept" not in page
    assert page.count("<details><summary>") >= len(manifest.entries)  # the settings of each run
    kept = read_kept(folder)
    assert set(kept.runs) == {entry.folder for entry in manifest.entries}


def test_no_file_names_a_folder_of_the_machine_that_it_was_made_on():
    texts = [file for file in _kept_files() if file.suffix in KINDS]
    assert not [file for file in texts if re.search(r"(?<![\w.])/(work|home|root|tmp|dev/shm)/", file.read_text())]


def test_it_is_small_and_of_kinds_that_can_be_read():
    ranks = [file for file in _kept_files() if file.name == "ranks.parquet"]
    others = [file for file in _kept_files() if file.name != "ranks.parquet"]
    assert [file for file in others if file.suffix not in KINDS] == []
    assert sum(file.stat().st_size for file in others) < MOST_BYTES
    assert sum(file.stat().st_size for file in others + ranks) < MOST_WITH_RANKS


def test_no_file_names_a_place_of_somebodys_machine():
    for file in _kept_files():
        if file.suffix == ".json":
            text = json.dumps(json.loads(file.read_text(encoding="utf-8")))
            assert not any(f'"{place}' in text for place in ("/home/", "/root/", "/work/", "/tmp/")), file
