import pytest
import yaml
from optuna.trial import TrialState

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.runs.run_folder import run_id
from calrec_recbole.tuning.chosen_settings import best_of, ended, print_study, trial_line, write_best
from calrec_recbole.tuning.shared_study import SharedStudy


@pytest.fixture
def study(asked):
    """Three trials: 0.25 in half a minute, 0.5 in one minute, one that failed."""
    base = asked.checked()
    shared = SharedStudy(asked.folder, "SASRec on Tiny", seed=3)
    attributes = {"defaults": asked.defaults(base), "fixed": asked.for_the_run(base), "valid_metric": "ndcg_pes@10"}
    shared.create({}, attributes, {})
    for value, seconds in ((0.25, 30), (0.5, 60)):
        shared.end(shared.next(asked.space, None, None), TrialState.COMPLETE, value, cpu_seconds=seconds)
    shared.end(shared.next(asked.space, None, None), TrialState.FAIL, error="ScoreError: it is NaN", cpu_seconds=6)
    return shared


def test_the_best_is_chosen_and_of_equals_the_first(study, asked):
    assert best_of(study).number == 1
    study.end(study.next(asked.space, None, None), TrialState.COMPLETE, 0.5)
    assert best_of(study).number == 1


def test_best_yaml_holds_the_chosen_above_the_fixed_and_says_the_budget(study):
    file = write_best(study, "SASRec", "Tiny")
    first, second = file.read_text().splitlines()[:2]
    assert first == (
        "# SASRec on Tiny: the best of 3 trials, 1.60 CPU minutes, by ndcg_pes@10 on validation: 0.50000 (trial 1)"
    )
    assert second == f"# run_recbole --model=SASRec --dataset=Tiny --config_files={file}"
    found = yaml.safe_load(file.read_text())
    best = study.trials()[1].params
    assert found == {**found, **best, "epochs": 3, "n_heads": 1}
    assert not {"gpu_id", "show_progress", "output_dir"} & set(found)
    ended = {"completed": 2, "pruned": 0, "cut by the budget": 0, "failed": 1}
    assert found["tuning"] == {"trials": 3, "ended": ended, "cpu_minutes": 1.6, "chosen": best}  # 30 s, 60 s and 6 s


def test_a_run_keeps_its_tuning_and_is_the_run_of_the_same_settings_given_by_hand(study, small):
    file = write_best(study, "SASRec", "Tiny")
    best, by_hand = Config("SASRec", "Tiny", [file]), Config("SASRec", "Tiny", [], small | study.trials()[1].params)
    assert best.settings["tuning"]["trials"] == 3
    assert by_hand.settings["tuning"] is None
    ids = [run_id(one.settings, {}, one.groups) for one in (best, by_hand)]
    assert ids[0] == ids[1]
    for tuning in ("20 trials", {"trials": 20}, {"trials": "20", "cpu_minutes": 1, "chosen": {}}):
        with pytest.raises(ConfigError, match="is not what calrec tune writes"):
            Config("SASRec", "Tiny", [], small | {"tuning": tuning})


def test_the_table_tells_budget_states_and_command(study, capsys):
    print_study(study, "SASRec", "Tiny")
    out = capsys.readouterr().out
    assert "budget spent: 3 trials, 1.60 CPU minutes" in out
    assert "trials: 2 completed, 0 pruned, 0 cut by the budget, 1 failed" in out
    assert "best ndcg_pes@10 on validation: 0.50000, trial 1" in out
    assert "on the test: run_recbole --model=SASRec --dataset=Tiny --config_files=" in out
    row = next(line for line in out.splitlines() if "learning_rate" in line)
    assert "0.001" in row
    assert f"{study.trials()[1].params['learning_rate']:.4g}" in row


def test_every_end_is_counted(study, asked, capsys):
    """The three of ``study``, one pruned, one cut, one that was stopped and runs again."""
    pruned = study.next(asked.space, None, None)
    pruned.report(0.1, 0)
    study.end(pruned, TrialState.PRUNED, None, ended="pruned")
    study.end(study.next(asked.space, None, None), TrialState.COMPLETE, 0.3, ended="budget")
    study.interrupted(study.next(asked.space, None, None))
    study.next(asked.space, None, None)
    counts = {"completed": 2, "pruned": 1, "cut by the budget": 1, "failed": 1}
    assert ended(study.trials()) == counts | {"stopped and repeated": 1, "running": 1}
    print_study(study, "SASRec", "Tiny")
    assert ", 1 failed, 1 stopped and repeated, 1 running\n" in capsys.readouterr().out
    chosen = yaml.safe_load(write_best(study, "SASRec", "Tiny").read_text())
    assert (chosen["tuning"]["trials"], chosen["tuning"]["ended"]) == (6, counts)
    study._let_go()  # as the end of its process does
    print_study(study, "SASRec", "Tiny")
    assert ", 1 failed, 1 stopped and repeated, 1 stopped\n" in capsys.readouterr().out


def test_without_a_finished_trial_nothing_is_chosen(asked, capsys):
    shared = SharedStudy(asked.folder, "SASRec on Tiny")
    shared.create({}, {"defaults": {}, "fixed": {}, "valid_metric": "mrr_pes"}, {})
    assert write_best(shared, "SASRec", "Tiny") is None
    print_study(shared, "SASRec", "Tiny")
    assert "no trial has finished yet: nothing is chosen" in capsys.readouterr().out


def test_an_ended_trial_in_one_line(study):
    assert trial_line(study.trials()[2]).endswith(", 6.0 CPU s: ScoreError: it is NaN")
    assert trial_line(study.trials()[1]).startswith("trial 1 completed 0.50000 (learning_rate=")
