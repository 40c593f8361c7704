"""Damaged run folders and results folders: a report of what is left, or one line."""

import json
import math
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.evaluation.per_user import metric_vectors, read_ranks
from calrec_recbole.report import Entry, Manifest, manifest_of, write_report
from calrec_recbole.report.rows import KEYS
from calrec_recbole.runs.curves import read_points
from calrec_recbole.runs.trained import Trained
from calrec_recbole.runs.user_samples import UserSamples, read_samples, write_samples
from calrec_recbole.setting_files import write_settings
from tests.fuzz.fuzz_inputs import as_json, changed, damaged, fuzzed

USERS = ["u1", "u2", "u3", "u4"]
RANKS = {"LIR": [(1, 2), (1, 2), (11, 30), (1, 4)], "Pop": [(1, 1), (2, 2), (20, 20), (3, 3)]}
ENVIRONMENT = {
    "command": "run_recbole",
    "versions": {"python": "3.11.7"},
    "data_sha256": {"inter": "0123"},
    "devices": {"device": "cpu", "name": "x86_64", "threads": 2},
    "seconds": {"train": {"wall": 90.0, "cpu": 100.0}, "evaluate": {"wall": 0.4, "cpu": 0.4}},
    "peak_memory_mib": {"process": 512.0},
    "users": {"valid": 4, "test": 4},
    "samples": {"texts_per_user": 7.9, "follow_template": 0.5},
}
CURVES = "step,seconds,metric,value\n1,60.0,valid/ndcg_pes@10,0.1\n2,150.0,valid/ndcg_pes@10,0.3\n"


def finished(parent, model):
    folder = parent / "Tiny" / model / "1-ab"
    folder.mkdir(parents=True)
    table = {"user_id": USERS, "item_id": list("abcd")}
    table |= {name: [pair[place] for pair in RANKS[model]] for place, name in enumerate(("optimistic", "pessimistic"))}
    pd.DataFrame(table).to_parquet(folder / "ranks.parquet")
    test = {key: float(value) for key, value in metric_vectors(read_ranks(folder), list(KEYS)).mean().items()}
    (folder / "metrics.json").write_text(json.dumps({"valid": test, "test": test}))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    write_settings(
        folder / "config.yaml", {"model": model, "dataset": "Tiny", "seed": 1, "valid_metric": "ndcg_pes@10"}
    )
    (folder / "curves.csv").write_text(CURVES)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs; the files of the first are damaged."""
    parent = tmp_path_factory.mktemp("runs")
    return [finished(parent, model) for model in RANKS]


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    """They take a second a report; one test draws them."""
    monkeypatch.setattr("calrec_recbole.report.plots.all_plots.draw_plots", lambda *_: [])


def report_of(runs, out):
    """Of both runs; the whole one must stand in it with its own numbers."""
    manifest, place = manifest_of([runs[0].parents[1]])
    write_report(manifest, out, anew=True, kept_in=place)
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "| Pop | " in table
    written = {file for file in out.parent.rglob("*") if file.is_file()}
    assert all(file.is_relative_to(out) for file in written)


@pytest.mark.parametrize("name", ["metrics.json", "environment.json"])
@given(data=st.data())
@fuzzed()
def test_a_run_whose_json_is_changed(name, data, runs, may_refuse, tmp_path):
    file = runs[0] / name
    whole = file.read_bytes()
    file.write_bytes(data.draw(changed(json.loads(whole)).map(as_json) | damaged(whole)))
    try:
        with may_refuse():
            report_of(runs, tmp_path / "a" / "out")
    finally:
        file.write_bytes(whole)


@given(data=st.data())
@fuzzed(2)
def test_a_run_whose_settings_are_changed(data, runs, may_refuse, tmp_path):
    file = runs[0] / "config.yaml"
    whole = file.read_bytes()
    settings = {"model": "LIR", "dataset": "Tiny", "seed": 1, "split": "global_time", "global_time_shares": [0.8, 0.2]}
    file.write_bytes(data.draw(changed(settings).map(as_json) | damaged(whole)))
    try:
        with may_refuse():
            report_of(runs, tmp_path / "a" / "out")
    finally:
        file.write_bytes(whole)


@given(data=st.data())
@fuzzed(4)
def test_damaged_ranks_are_ranks_or_refused(data, runs, may_refuse, tmp_path):
    file = tmp_path / "ranks.parquet"
    file.write_bytes(data.draw(damaged((runs[0] / "ranks.parquet").read_bytes())))
    with may_refuse(file):
        found = read_ranks(file)
        assert ((found["optimistic"] >= 1) & (found["pessimistic"] >= found["optimistic"])).all()
        assert found.index.is_unique


@given(damaged(CURVES.encode()))
@fuzzed(2)
def test_damaged_curves_cost_their_rows_alone(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curves.csv"
        file.write_bytes(content)
        for point in read_points(file):
            assert point.step >= 0
            assert math.isfinite(point.seconds)


@pytest.fixture(scope="module")
def results(runs, tmp_path_factory):
    """A results folder whose run folders are gone."""
    parent = tmp_path_factory.mktemp("results")
    gone = shutil.copytree(runs[0].parents[2], parent / "runs")
    entries = [Entry(model, model, "Tiny", str(gone / "Tiny" / model / "1-ab")) for model in RANKS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("calrec_recbole.report.plots.all_plots.draw_plots", lambda *_: [])
        write_report(Manifest("x", "X", "calrec compare", ["A note."], entries=entries), parent / "whole")
    shutil.rmtree(gone)
    return parent / "whole"


@pytest.mark.parametrize("name", ["comparison.json", "kept.json", "tests.csv"])
@given(data=st.data())
@fuzzed(2)
def test_a_results_folder_that_is_changed(name, data, results, may_refuse, tmp_path):
    file = results / name
    whole = file.read_bytes()
    values = changed(json.loads(whole)).map(as_json) if name.endswith(".json") else st.nothing()
    file.write_bytes(data.draw(values | damaged(whole)))
    try:
        with may_refuse():
            manifest, place = manifest_of([results])
            write_report(manifest, tmp_path / "a" / "out", anew=True, kept_in=place)
        assert {path.name for path in tmp_path.iterdir()} <= {"a"}
        assert not (tmp_path / "a").exists() or {path.name for path in (tmp_path / "a").iterdir()} <= {"out"}
    finally:
        file.write_bytes(whole)


SAMPLES = [
    UserSamples("test", "u1", "k1", [("Title: A.", -1.5), ("Title: B.", -2.5)]),
    UserSamples("test", "u2", "k2", []),
]


@given(data=st.data())
@fuzzed(4)
def test_damaged_samples_are_samples_or_refused(data, may_refuse, tmp_path):
    file = tmp_path / "samples.parquet"
    if not (tmp_path / "whole").is_file():
        write_samples(tmp_path / "whole", SAMPLES)
    file.write_bytes(data.draw(damaged((tmp_path / "whole").read_bytes())))
    with may_refuse(file):
        for one in read_samples(file):
            assert isinstance(one.user, str)
            assert all(isinstance(text, str) and isinstance(logprob, float) for text, logprob in one.samples)


TRAINED = {
    **{"run": "1-ab", "step": 3, "score": 0.5, "valid": {"mrr_pes": 0.5}, "users": 4, "validated_on": "Tiny"},
    **{"chosen": {}, "seconds": 1.5, "planned": {}},
}


@given(content=changed(TRAINED).map(as_json) | damaged(json.dumps(TRAINED).encode()))
@fuzzed(2)
def test_what_training_came_to_is_whole_or_refused(content, may_refuse, tmp_path):
    (tmp_path / "trained.json").write_bytes(content)
    with may_refuse():
        assert Trained.found(tmp_path, "1-ab") is None  # there are no weights
