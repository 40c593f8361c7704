"""Runs, their learning curves and the labels that they get."""

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.finished_runs import data_name, find_runs, read_run
from calrec_recbole.report.inputs.labels import manifest_of


def test_a_run_by_its_folder(write_run):
    run = read_run(write_run("SASRec"))
    assert (run.model, run.dataset, run.seed) == ("SASRec", "Tiny", 1)
    assert run.train_seconds == 90 + 10
    assert run.test_milliseconds == 1000 * 0.4 / 4
    assert run.memory == 2048
    assert run.test["recall_opt@1"] == 1 / 4


def test_another_split_is_another_data_set(write_run, tmp_path):
    write_run("LIR", split="leave_one_out", global_time_shares=[0.8, 0.1, 0.1])
    write_run("LIR", name="1-cd", split="global_time", global_time_shares=[0.8, 0.1, 0.1])
    manifest, _ = manifest_of([tmp_path / "runs"])
    found = [(entry.label, entry.dataset) for entry in manifest.entries]
    assert found == [("LIR", "Tiny"), ("LIR", "Tiny-global_time-80-10-10")]
    assert set(manifest.data.values()) == {"/secret/place/Tiny"}


def test_the_split_parts_data_sets_by_name():
    assert data_name("CDs", {}) == data_name("CDs", {"split": "leave_one_out"}) == "CDs"
    assert data_name("CDs", {"split": "global_time"}) == "CDs-global_time-80-10-10"
    shares = {"split": "global_time", "global_time_shares": [0.5, 0.25, 0.25]}
    assert data_name("CDs", shares) == "CDs-global_time-50-25-25"


def test_data_below_the_working_folder_are_named_from_there(write_run, tmp_path, monkeypatch):
    write_run("LIR", data_path=str(tmp_path / "dataset"))
    monkeypatch.chdir(tmp_path)
    assert manifest_of([tmp_path / "runs"])[0].data == {"Tiny": "dataset/Tiny"}


def test_unfinished_runs_are_left_out(write_run, tmp_path):
    folder = write_run("SASRec")
    other = write_run("LIR")
    (other / "metrics.json").unlink()
    assert [run.folder for run in find_runs([tmp_path / "runs"])[0]] == [folder]
    with pytest.raises(DataError, match="has not finished"):
        read_run(other)
    with pytest.raises(DataError, match="no finished run is there"):
        find_runs([other])


def test_a_broken_run_is_named(write_run):
    folder = write_run("SASRec")
    (folder / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics.json is damaged"):
        read_run(folder)


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("metrics.json", "{}", "it lacks 'test'"),
        ("metrics.json", "[]", "it is a list, not an object"),
        ("metrics.json", '{"test": {"mrr_opt": "0.1"}}', "test.mrr_opt is a str"),
        ("metrics.json", "[" * 100_000, "recursion"),
        ("environment.json", "null", "it is empty, not an object"),
        ("environment.json", '{"users": 3}', "users is a int, not an object"),
        ("environment.json", '{"seconds": {"train": {"wall": null}}}', "seconds.train.wall is empty"),
        ("environment.json", '{"users": {"test": 1' + "0" * 400 + "}}", "users.test is too large"),
        ("config.yaml", "model: SASRec", "it lacks 'dataset'"),
        ("config.yaml", "{model: SASRec, dataset: [1], seed: 1}", "dataset is a list"),
        ("config.yaml", "{model: A, dataset: B, seed: 2001-13-45}", "month must be in 1..12"),
    ],
)
def test_the_file_of_a_broken_run_is_named_with_what_is_wrong(write_run, file, text, fault):
    folder = write_run("SASRec")
    (folder / file).write_text(text)
    with pytest.raises(DataError) as raised:
        read_run(folder)
    assert f"{folder}/{file}" in str(raised.value)
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_report_goes_on_without_a_damaged_run(write_run, tmp_path):
    write_run("SASRec")
    damaged = write_run("LIR") / "environment.json"
    damaged.write_text("{")
    manifest, _ = manifest_of([tmp_path / "runs"])
    assert [entry.model for entry in manifest.entries] == ["SASRec"]
    assert len(manifest.notes) == 1
    assert str(damaged) in manifest.notes[0]
    (tmp_path / "runs" / "Tiny" / "SASRec" / "1-ab" / "metrics.json").write_text("7")
    with pytest.raises(DataError, match=r"no run can be read: .*metrics.json"):
        manifest_of([tmp_path / "runs"])


def test_the_curve_is_that_of_the_validation_metric(write_run):
    run = read_run(write_run("SASRec"))
    assert (run.step_name, run.curve.steps, run.curve.values) == ("epoch", [1, 2], [0.1, 0.3])
    assert run.curve.minutes == [1.0, 2.5]
    assert read_run(write_run("CALRec", [(1, 1)], train_steps=9)).step_name == "step"


def test_a_run_older_than_curves_csv_has_none(write_run):
    folder = write_run("SASRec")
    (folder / "curves.csv").unlink()
    assert read_run(folder).curve.values == []
