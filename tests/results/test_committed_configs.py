"""The settings of every committed run are those of a command that can be given today."""

import csv
import json
from pathlib import Path

import pytest

from calrec_recbole.comparison.experiment import read_experiment
from calrec_recbole.plugin.config import Config
from calrec_recbole.setting_files import read_settings

RESULTS = Path(__file__).resolve().parents[2] / "results"
CONFIGS = sorted(RESULTS.glob("*/config.yaml"))
CHOSEN = sorted(RESULTS.glob("tuning/*/*/best.yaml"))
EXPERIMENTS = sorted(RESULTS.glob("*/experiment.yaml"))
KEPT = sorted(RESULTS.glob("*/kept.json"))
WRITTEN_OTHERWISE = {"eval_args", "device"}  # its mode by the part of the data; "auto" and "cpu" become torch's device


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
def test_the_command_of_a_committed_run_can_be_given(file):
    """``run_recbole --config_files=results/NAME/config.yaml``: its settings are known, and have the file's values."""
    written = read_settings(file)
    config = Config(config_file_list=[str(file)])
    assert (config["model"], config["dataset"]) == (written["model"], written["dataset"])
    for name in ("seed", "learning_rate", "epochs", "train_steps", "MAX_ITEM_LIST_LENGTH"):
        if name in written:
            assert config[name] == written[name]


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.parent.name)
def test_the_settings_of_a_row_can_be_given(file, monkeypatch, tmp_path):
    """All of them are known and taken, and none comes to another value."""
    monkeypatch.chdir(tmp_path)
    for run in json.loads(file.read_text(encoding="utf-8"))["runs"].values():
        written = {name: value for name, value in run["config"].items() if value is not None}
        config = Config(config_dict=written)
        changed = {name for name, value in written.items() if config[name] != value}
        assert changed <= WRITTEN_OTHERWISE


@pytest.mark.parametrize("file", CHOSEN, ids=lambda file: "-".join(file.parts[-3:-1]))
def test_settings_chosen_by_a_search_can_be_given(file):
    """As the line in the file's head does, and by as many trials as the table has."""
    dataset, model = file.parts[-3:-1]
    config = Config(model, dataset, [str(file)])
    written = read_settings(file)
    assert {name: config[name] for name in written} == written
    tuning = written["tuning"]
    assert tuning["chosen"] == {name: written[name] for name in tuning["chosen"]}
    trials = list(csv.DictReader((file.parent / "trials.csv").read_text(encoding="utf-8").splitlines()))
    repeated = {trial["repeats"] for trial in trials} - {""}  # killed, and done again: one trial
    assert tuning["trials"] == len(trials) - len(repeated)
    assert "RUNNING" not in {trial["state"] for trial in trials}


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.parent.name)
def test_a_committed_experiment_can_be_given(file):
    """Its keys are known, and so are the settings of its rows."""
    experiment = read_experiment(str(file))
    for row in experiment.rows:
        for dataset in row.datasets or experiment.datasets:
            config = Config(row.model, dataset, [*row.config_files], dict(row.settings))
            assert {name: config[name] for name in row.settings} == dict(row.settings)


def test_there_are_some():
    assert min(len(CONFIGS), len(KEPT), len(CHOSEN)) > 5
    assert len(EXPERIMENTS) > 2
