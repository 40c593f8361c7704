"""The settings of every committed run are those of a command that can be given today."""

import json
from pathlib import Path

import pytest

from calrec_recbole.plugin.config import Config
from calrec_recbole.setting_files import read_settings

RESULTS = Path(__file__).resolve().parents[2] / "results"
CONFIGS = sorted(RESULTS.glob("*/config.yaml"))
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


def test_there_are_some():
    assert (len(CONFIGS) > 10, len(KEPT) > 10) == (True, True)
