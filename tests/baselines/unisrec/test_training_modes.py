"""UniSRec's three ways to train: what each asks of the settings."""

import pytest

from calrec_recbole.baselines.unisrec.training_modes import RELOADED, check_stage, source_configs
from calrec_recbole.errors import ConfigError

SCRATCH = {"train_stage": "scratch", "loss_type": "CE", "freeze_encoder": False, "pretrain_datasets": []}


class Settings(dict):
    """A config whose other data sets are settings too."""

    def on(self, name):
        return Settings(self | {"dataset": name})


def test_from_nothing_no_weights_are_asked_for_and_so_is_a_reloaded_run():
    check_stage(SCRATCH, uses_ids=True)
    check_stage(SCRATCH | {"train_stage": "finetune"} | RELOADED, uses_ids=False)


@pytest.mark.parametrize(
    ("change", "uses_ids", "message"),
    [
        ({"train_stage": "finetun"}, False, "must be one of scratch, pretrain, finetune; did you mean 'finetune'"),
        ({"loss_type": "BPR"}, False, "loss_type='BPR' must be CE"),
        ({"freeze_encoder": True}, False, "freeze_encoder=True needs train_stage=finetune, not scratch"),
        ({"train_stage": "pretrain"}, True, "train_stage=pretrain knows no item IDs"),
    ],
)
def test_what_a_stage_lacks_is_named(change, uses_ids, message):
    with pytest.raises(ConfigError, match=message):
        check_stage(SCRATCH | change, uses_ids)


def test_sources_are_those_that_are_named_or_the_runs_own():
    own = Settings(dataset="Tools", pretrain_datasets=[])
    assert [config["dataset"] for config in source_configs(own)] == ["Tools"]
    named = Settings(dataset="Tools", pretrain_datasets=["CDs", "Movies"])
    assert [config["dataset"] for config in source_configs(named)] == ["CDs", "Movies"]
    for wrong in (["CDs", "CDs"], "CDs"):
        with pytest.raises(ConfigError, match="must list the data sets to pretrain on, each once"):
            source_configs(Settings(dataset="Tools", pretrain_datasets=wrong))
