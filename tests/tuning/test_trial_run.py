import json
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna import Study
from optuna.trial import TrialState

from calrec_recbole.errors import StorageError
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest
from calrec_recbole.runs.curves import read_points
from calrec_recbole.tuning import trial_run
from calrec_recbole.tuning.search import study_of
from calrec_recbole.tuning.trial_run import TrialEnd, WatchedTrial, run_trial


@pytest.fixture
def one_trial(asked):
    """Runs the next trial of the study."""

    def live(minutes=None):
        base = asked.checked()
        shared = study_of("SASRec", "Tiny", asked.folder)
        shared.create({}, {"defaults": asked.defaults(base)}, {})
        trial = shared.next(asked.space, None, None)
        run_trial(shared, trial, asked, base, minutes)
        return shared.trials()[trial.number]

    return live


def test_a_trial_is_validated_and_never_tested(one_trial, monkeypatch):
    def tested(*_):
        raise AssertionError("a trial was tested")

    monkeypatch.setattr(TieHonest, "test", tested)
    found = one_trial()
    assert found.state is TrialState.COMPLETE
    assert list(found.intermediate_values) == [0, 1, 2]  # three epochs
    assert found.value == max(found.intermediate_values.values())
    folder = Path(found.user_attrs["folder"])
    left = {"config.yaml", "curves.csv", "environment.json", "log.txt", "validation.json"}
    assert {file.name for file in folder.iterdir()} == left  # no finished run for reports
    assert json.loads((folder / "validation.json").read_text())["valid"]["ndcg_pes@10"] == found.value
    assert 0 < found.user_attrs["cpu_seconds"] < 60


def test_a_pruned_trial_ends_at_once_and_leaves_little(one_trial, monkeypatch):
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda self: self.number == 0)
    found = one_trial()
    assert (found.state, list(found.intermediate_values)) == (
        TrialState.PRUNED,
        [0, 1],
    )  # of three; the first is let be
    assert {file.name for file in Path(found.user_attrs["folder"]).iterdir()} == {
        "config.yaml",
        "curves.csv",
        "log.txt",
    }
    assert one_trial().state is TrialState.COMPLETE


STEADY = [0.031, 0.058, 0.070, 0.074, 0.074, 0.076]  # of a small batch: epochs of many steps


@pytest.fixture
def watched(asked):
    """The next trial of a study of five others, each with STEADY's values, in a training of six epochs."""
    shared = study_of("SASRec", "Tiny", asked.folder)
    shared.create({}, {"defaults": asked.defaults(asked.checked())}, {})

    def begin(others=5):
        for _ in range(others):
            other = shared.next(asked.space, None, None)
            for epoch, value in enumerate(STEADY):
                other.report(value, epoch)
            shared.end(other, TrialState.COMPLETE, max(STEADY))
        watch = WatchedTrial(shared, shared.next(asked.space, None, None), None)
        watch.trains(len(STEADY))
        return watch

    return begin


def lives_through(watch, values):
    """The epoch in which ``watch`` prunes the trial, None where it goes to its end."""
    for epoch, value in enumerate(values):
        try:
            watch.validated(epoch, value)
        except TrialEnd:
            return epoch
    return None


def test_a_slow_starter_that_would_win_is_not_pruned(watched):
    """Behind the median of the first two epochs of six, which are a third of it, and ahead of it from the third on."""
    assert lives_through(watched(), [0.017, 0.019, 0.071, 0.075, 0.076, 0.077]) is None


def test_who_lies_behind_after_a_third_is_pruned(watched):
    assert lives_through(watched(), [0.032, 0.059, 0.069, 0.080]) == 2


def test_four_others_are_too_few_to_be_pruned_by(watched):
    assert lives_through(watched(others=4), [0.0] * 6) is None


def test_the_budget_cuts_a_trial_off_at_a_validation(one_trial):
    found = one_trial(minutes=1e-6)
    assert (found.state, list(found.intermediate_values)) == (TrialState.COMPLETE, [0])
    assert (found.value, found.user_attrs["ended"]) == (found.intermediate_values[0], "budget")


def test_what_a_trial_cannot_do_is_kept_as_its_failure(one_trial, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(trial_run, "run", fails)
    found = one_trial()
    assert (found.state, found.user_attrs["error"]) == (TrialState.FAIL, "RuntimeError: out of memory")


def test_a_run_without_validation_has_failed(one_trial, monkeypatch):
    monkeypatch.setattr(trial_run, "run", lambda *_, **__: SimpleNamespace(best_valid_score=1.0))
    found = one_trial()
    assert found.state is TrialState.FAIL
    assert "the run was never validated" in found.user_attrs["error"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, StorageError])
def test_who_stops_inside_a_trial_repeats_it(stop, one_trial, monkeypatch):
    def stops(*_, **__):
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr(trial_run, "run", stops)
        with pytest.raises(stop):
            one_trial()
    found = one_trial()
    assert (found.number, found.user_attrs["repeats"], found.user_attrs["kills"]) == (1, 0, 0)
    assert found.state is TrialState.COMPLETE


def test_the_same_values_again_have_their_own_curves(one_trial, monkeypatch):
    """Both trials have one run id, and so one folder."""
    monkeypatch.setattr("optuna.Study.ask", partialmethod(asked_for, Study.ask))
    _, first, second = one_trial(), one_trial(), one_trial()  # the first one was queued before
    assert first.params == second.params
    assert first.user_attrs["folder"] == second.user_attrs["folder"]
    assert second.intermediate_values == first.intermediate_values
    points = read_points(Path(second.user_attrs["folder"], "curves.csv"))
    assert len([point for point in points if point.metric == "valid/ndcg_pes@10"]) == 3  # epochs


def asked_for(study, ask, ranges):
    study.enqueue_trial({"learning_rate": 0.01, "hidden_dropout_prob": 0.1, "n_layers": 1, "hidden_size": 4})
    return ask(study, ranges)
