"""`calrec tune` as its users start it."""

import csv

import pytest
import yaml

from calrec_recbole.cli.calrec import main
from calrec_recbole.plugin.runner import run
from calrec_recbole.tuning import search, trial_run

SPACE = {"bm25_k1": {"low": 0.5, "high": 2.0}, "bm25_b": {"choices": [0.0, 0.75, 1.0]}}


@pytest.fixture
def command(tiny_settings, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(SPACE, sort_keys=False))
    where = [f"--data_path={tiny_settings['data_path']}", f"--out={tmp_path / 'tuning'}", f"--space={space}"]
    return ["tune", "--model=LIR", "--dataset=Tiny", "--retrieval=okapi", "--gpu_id=", *where]


def test_a_study_its_report_and_the_run_that_it_leads_to(command, tmp_path, capsys):
    assert main([*command, "--trials=3", "--valid_users=4"]) == 0
    told = capsys.readouterr()
    assert "valid_users: LIR has no such setting; every trial validates on all users" in told.err
    assert told.out.count(" CPU s") == 3
    assert "trials: 3 completed, 0 pruned, 0 cut by the budget, 0 failed" in told.out
    assert main([*command, "--report"]) == 0
    assert "trials: 3 completed, 0 pruned, 0 cut by the budget, 0 failed" in capsys.readouterr().out
    best = tmp_path / "tuning" / "Tiny" / "LIR" / "best.yaml"
    tested = run("LIR", "Tiny", [best], {"output_dir": str(tmp_path / "runs"), "show_progress": False}, show=False)
    chosen = yaml.safe_load(best.read_text())
    assert chosen["retrieval"] == "okapi"
    assert f"on validation: {tested.best_valid_score:.5f}" in best.read_text()
    assert tested.test


def test_a_report_of_a_study_whose_process_is_gone(command, tmp_path, monkeypatch, capsys):
    """What a kill left says so, in the table and in trials.csv, and the study stays as it is."""

    def dies(shared, *_):
        shared._let_go()  # as the end of its process does
        raise SystemExit

    monkeypatch.setattr(search, "run_trial", dies)
    with pytest.raises(SystemExit):
        main([*command, "--trials=1"])
    table = tmp_path / "tuning" / "Tiny" / "LIR" / "trials.csv"
    for _ in range(2):
        assert main([*command, "--report"]) == 0
        assert "0 failed, 1 stopped\n" in capsys.readouterr().out
        assert [row["state"] for row in csv.DictReader(table.read_text().splitlines())] == ["STOPPED"]


def test_what_the_command_line_fixes_is_not_searched(command, tmp_path, capsys):
    assert main([*command, "--trials=2", "--bm25_k1=1"]) == 0
    told = capsys.readouterr()
    assert "--bm25_k1=1: fixed for all trials, not searched" in told.err
    folder = tmp_path / "tuning" / "Tiny" / "LIR"
    chosen = yaml.safe_load((folder / "best.yaml").read_text())
    assert chosen["bm25_k1"] == 1
    assert list(chosen["tuning"]["chosen"]) == ["bm25_b"]
    for run_config in folder.glob("2020-*/config.yaml"):
        assert yaml.safe_load(run_config.read_text())["bm25_k1"] == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "a budget is missing: give --trials=N, --minutes=B (CPU minutes) or both"),
        (["--trials=0"], "--trials=0 must be above 0"),
        (["--minutes=nan"], "--minutes=nan must be above 0"),
        (["--trials=1", "--output_dir=x"], "--output_dir is --out here: trials lie beside their study"),
        (["--trials=1", "--bm25_k1=1", "--bm25_b=0"], "--bm25_k1=1, --bm25_b=0 leave nothing of the search space"),
        (["--trials=1", "--no_such=1"], "setting 'no_such' is unknown to LIR"),
        (["--report"], "there is no study of LIR on Tiny in "),
    ],
)
def test_what_cannot_be_is_told_in_one_line_before_any_trial(more, told, command, tmp_path, capsys):
    assert main([*command, *more]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith(f"error: {told}")
    assert not (tmp_path / "tuning").exists()


def test_ctrl_c_ends_in_one_line_that_says_how_to_go_on(command, monkeypatch, capsys):
    def stops(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial_run, "run", stops)
        assert main([*command, "--trials=1"]) == 130
    assert "interrupted: the study keeps what is finished; the same command goes on" in capsys.readouterr().err
    assert main([*command, "--trials=1"]) == 0
    out = capsys.readouterr().out
    assert "trials: 1 completed, 0 pruned, 0 cut by the budget, 0 failed, 1 stopped and repeated" in out
    assert "budget spent: 1 trial, " in out
