"""The settings of every committed run are those of a command that can be given today."""

from pathlib import Path

import pytest

from calrec_recbole.plugin.config import Config
from calrec_recbole.setting_files import read_settings

RESULTS = Path(__file__).resolve().parents[2] / "results"
CONFIGS = sorted(RESULTS.glob("*/config.yaml"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
def test_the_command_of_a_committed_run_can_be_given(file):
    """``run_recbole --config_files=results/NAME/config.yaml``: its settings are known, and have the file's values."""
    written = read_settings(file)
    config = Config(config_file_list=[str(file)])
    assert (config["model"], config["dataset"]) == (written["model"], written["dataset"])
    for name in ("seed", "learning_rate", "epochs", "train_steps", "MAX_ITEM_LIST_LENGTH"):
        if name in written:
            assert config[name] == written[name]


def test_there_are_some():
    assert len(CONFIGS) > 10
