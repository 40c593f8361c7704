from dataclasses import replace

import pytest
from optuna.trial import TrialState

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.tuning.shared_study import SharedStudy, places, spent_minutes


@pytest.fixture
def open_study(asked):
    """Opens the study as one more process would."""

    def start(**identity):
        shared = SharedStudy(asked.folder, "SASRec on Tiny", seed=3)
        shared.create(identity, {"defaults": dict.fromkeys(asked.space, 0)}, {"n_layers": 1})
        return shared

    return start


def test_two_processes_never_take_the_same_trial_nor_more_than_the_budget(open_study, asked):
    first, second = open_study(), open_study()
    one, two = first.next(asked.space, 2, None), second.next(asked.space, 2, None)
    assert (one.number, two.number) == (0, 1)
    assert one.params["n_layers"] == 1  # queued first
    third = open_study()
    assert third.next(asked.space, 2, None) is None
    first.end(one, TrialState.COMPLETE, 0.5)
    assert third.next(asked.space, 2, None) is None
    assert third.next(asked.space, 3, None).number == 2


def test_what_a_process_left_that_is_gone_is_repeated_before_anything_new(open_study, asked):
    gone = open_study()
    left = gone.next(asked.space, 3, None)
    left.report(0.25, 0)
    gone._let_go()  # as the end of its process does
    shared = open_study()
    again = shared.next(asked.space, 3, None)
    found = shared.trials()
    assert (again.number, again.params) == (1, left.params)
    assert found[0].state is TrialState.FAIL
    assert found[1].intermediate_values == {0: 0.25}
    assert {name: found[1].user_attrs[name] for name in ("repeats", "place", "kills")} == {
        "repeats": 0,
        "place": 0,
        "kills": 1,
    }
    assert places(found) == 1


def test_a_trial_that_kills_its_process_every_time_fails_in_the_end(open_study, asked):
    for _ in range(3):
        shared = open_study()
        assert places(shared.trials()) <= 1
        shared.next(asked.space, 1, None)
        shared._let_go()
    shared = open_study()
    assert shared.next(asked.space, 1, None) is None
    assert [trial.state for trial in shared.trials()] == [TrialState.FAIL] * 3
    assert shared.trials()[-1].user_attrs["error"] == "killed 3 times"


def test_stops_of_the_user_are_no_kills(open_study, asked):
    shared = open_study()
    for _ in range(5):
        shared.interrupted(shared.next(asked.space, 1, None))
    assert shared.next(asked.space, 1, None) is not None


def test_the_minutes_of_all_attempts_count(open_study, asked):
    shared = open_study()
    for seconds in (30, 45):
        trial = shared.next(asked.space, None, 1.25)
        trial.set_user_attr("cpu_seconds", seconds)
        shared.interrupted(trial)
    assert spent_minutes(shared.trials()) == 1.25
    assert shared.next(asked.space, None, 1.25) is None
    assert shared.next(asked.space, None, 1.3) is not None


def test_a_study_about_something_else_is_refused(open_study):
    open_study(epochs="3", seed="1")
    open_study(epochs="3", seed="1")
    with pytest.raises(ConfigError, match=r"has epochs=3, not 4 \(and 1 more\): its trials could not be compared"):
        open_study(epochs="4", seed="2")


def test_a_storage_that_cannot_be_used_is_told_in_one_line(asked, tmp_path):
    asked.folder.mkdir(parents=True)
    (asked.folder / "study.db").write_text("this is no database, however long it may be made to look " * 20)
    with pytest.raises(ConfigError, match=r"study\.db cannot be used as a study \(.*\): mend it, or choose another"):
        SharedStudy(asked.folder, "x").create({}, {"defaults": {}}, {})
    for url in ("nonsense", "nosuch://x", f"sqlite:///{tmp_path}/no/such/folder.db"):
        with pytest.raises(ConfigError, match="cannot be used as a study") as problem:
            SharedStudy(replace(asked, dataset="other").folder, "x", url).create({}, {"defaults": {}}, {})
        assert "\n" not in str(problem.value)


@pytest.mark.parametrize("url", ["nosuch://me:secret@host/x", "sqlite://me:secret@host/x", "me:secret@host"])
def test_the_password_of_a_storage_is_not_shown(asked, url):
    with pytest.raises(ConfigError, match="cannot be used as a study") as problem:
        SharedStudy(asked.folder, "x", url).create({}, {"defaults": {}}, {})
    assert "secret" not in str(problem.value)


def test_a_report_needs_a_study(asked, open_study):
    with pytest.raises(DataError, match="there is no study of SASRec on Tiny in"):
        SharedStudy(asked.folder, "SASRec on Tiny").open()
    open_study()
    SharedStudy(asked.folder, "SASRec on Tiny").open()
    with pytest.raises(DataError, match="there is no study of other in"):
        SharedStudy(asked.folder, "other").open()
