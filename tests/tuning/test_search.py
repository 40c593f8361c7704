"""Whole studies: killed and taken up again, by several processes, with failures."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from calrec_recbole.errors import CalrecError
from calrec_recbole.tuning import trial_run
from calrec_recbole.tuning.search import search, study_of
from calrec_recbole.tuning.shared_study import places
from calrec_recbole.tuning.trial_run import WatchedTrial

SERVER = Path(__file__).with_name("deadly_search.py")
TRIALS = 12  # TPE draws from the eleventh on, the median prunes from the sixth on

DEATHS = [  # one process after the other, all of one study; each dies inside another trial
    ("create", 1, "after"),
    ("enqueue", 1, "after"),
    ("ask", 1, "after"),
    ("epoch", 2, "after"),  # of the repeat
    ("report", 3, "before"),
    ("prune", 5, "before"),
    ("enqueue", 1, "after"),  # of the repeat, before the killed one is marked
    ("tell", 3, "before"),  # the first one marks the killed one
    ("tell", 4, "after"),
    ("epoch", 8, "before"),
]


@pytest.fixture(scope="module")
def server():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, SERVER], text=True, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def lives(server, small, space):
    """Lives through the study up to a moment -> the exit codes of the processes."""

    def live(out, moment=None, workers=1, trials=TRIALS):
        order = {"settings": small, "space": str(space), "out": str(out), "moment": moment}
        server.stdin.write(json.dumps({**order, "workers": workers, "trials": trials}) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())

    return live


def trials_of(out):
    shared = study_of("SASRec", "Tiny", out / "Tiny" / "SASRec")
    shared.open()
    return shared.trials()


def what_was_tried(out):
    """Of every trial that came to an end, in the order of the study that was never stopped."""
    repeated = {trial.user_attrs.get("repeats") for trial in trials_of(out)}
    ended = [trial for trial in trials_of(out) if trial.number not in repeated]
    return [(trial.params, trial.state, trial.value, trial.intermediate_values) for trial in ended]


def test_killed_again_and_again_a_study_is_the_same(lives, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert lives(whole) == [0]
    for moment in DEATHS:
        assert lives(killed, moment) == [-9], moment
    assert lives(killed) == [0]
    found = what_was_tried(whole)
    assert len(found) == TRIALS
    assert {state for _, state, *_ in found} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert what_was_tried(killed) == found
    assert sum(trial.state is TrialState.FAIL for trial in trials_of(killed)) >= 6
    assert lives(killed) == [0]  # nothing is left to do
    assert len(what_was_tried(killed)) == TRIALS


def test_processes_share_a_study(lives, tmp_path):
    assert lives(tmp_path, workers=2, trials=6) == [0, 0]
    found = trials_of(tmp_path)
    assert [trial.number for trial in found] == list(range(6))
    assert {trial.state for trial in found} <= {TrialState.COMPLETE, TrialState.PRUNED}
    text = (tmp_path / "Tiny" / "SASRec" / "trials.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["state"] for row in rows] == [trial.state.name for trial in found]
    assert len({trial.user_attrs["folder"] for trial in found}) == 6


def test_more_trials_later_go_on(asked):
    search(asked, 1, None)
    seen = []
    shared = search(asked, 2, None, tell=seen.append)
    assert [trial.number for trial in seen] == [1]
    assert places(shared.trials()) == 2


def test_a_storage_of_another_place(asked, tmp_path):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    shared = search(asked, 1, None, url)
    assert places(shared.trials()) == 1
    assert not (asked.folder / "study.db").exists()
    assert (asked.folder / "trials.csv").is_file()


def test_where_nothing_succeeds_the_search_ends(asked, monkeypatch):
    def fails(*_, **__):
        raise ValueError("no such thing")

    monkeypatch.setattr(trial_run, "run", fails)
    with pytest.raises(
        CalrecError, match="3 trials have failed and none has succeeded; the latest: ValueError: no such"
    ):
        search(asked, 10, None)
    monkeypatch.undo()
    assert search(asked, 4, None).trials()[3].state is TrialState.COMPLETE


def test_models_without_training_have_one_validation(asked, tmp_path):
    space = {name: one for name, one in replace(asked).space.items() if name == "hidden_dropout_prob"}
    ranges = {"bm25_b": space["hidden_dropout_prob"]}
    settings = {name: asked.settings[name] for name in ("data_path", "gpu_id")} | {"retrieval": "okapi"}
    shared = search(replace(asked, model="LIR", space=ranges, settings=settings), 2, None)
    assert [list(trial.intermediate_values) for trial in shared.trials()] == [[0], [0]]


def test_calrec_reports_its_steps_and_goes_on_inside_a_trial(asked, calrec_settings, monkeypatch):
    ranges = {"alpha": asked.space["hidden_dropout_prob"]}
    fixed = {name: value for name, value in calrec_settings.items() if name not in ("dataset", "output_dir")}
    request = replace(asked, model="CALRec", space=ranges, settings={**fixed, "log_tensorboard": False})
    whole = search(replace(request, out=asked.out / "whole"), 1, None).trials()[0]
    assert list(whole.intermediate_values) == [2, 3, 6]
    validated = WatchedTrial.validated

    def stopped(self, step, score):
        validated(self, step, score)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WatchedTrial, "validated", stopped)
        with pytest.raises(KeyboardInterrupt):
            search(request, 1, None)
    first, again = search(request, 1, None).trials()
    assert list(first.intermediate_values) == [2, 3]
    assert first.user_attrs["folder"] == again.user_attrs["folder"]
    assert "resumed" in Path(again.user_attrs["folder"], "log.txt").read_text()
    assert (again.value, again.intermediate_values) == (whole.value, whole.intermediate_values)
