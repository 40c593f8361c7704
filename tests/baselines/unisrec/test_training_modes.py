"""UniSRec's three ways to train: what each asks of the settings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from calrec_recbole.baselines.unisrec.training_modes import RELOADED, UniSRecSettings, check_stage, sources_of
from calrec_recbole.errors import ConfigError

PREPARED = SimpleNamespace(name="Tools", on=lambda name: name)


def test_from_nothing_no_weights_are_asked_for_and_so_is_a_reloaded_run():
    check_stage(UniSRecSettings(), True, PREPARED)
    tuned = UniSRecSettings(train_stage="finetune", freeze_encoder=True)
    check_stage(replace(tuned, **RELOADED), False, PREPARED)


@pytest.mark.parametrize(
    ("change", "uses_ids", "message"),
    [
        ({"train_stage": "finetun"}, False, "must be one of scratch, pretrain, finetune; did you mean 'finetune'"),
        ({"loss_type": "BPR"}, False, "loss_type='BPR' must be CE"),
        ({"freeze_encoder": True}, False, "freeze_encoder=True needs train_stage=finetune, not scratch"),
        ({"train_stage": "pretrain"}, True, "train_stage=pretrain knows no item IDs"),
        ({"train_stage": "finetune"}, True, "pre_model_path is empty"),
    ],
)
def test_what_a_stage_lacks_is_named(change, uses_ids, message):
    def check():
        check_stage(UniSRecSettings(**change), uses_ids, PREPARED)

    with pytest.raises(ConfigError, match=message):
        check()


def test_sources_are_those_that_are_named_or_the_runs_own():
    assert sources_of(UniSRecSettings(), PREPARED) == ["Tools"]
    assert sources_of(UniSRecSettings(pretrain_datasets=["CDs", "Movies"]), PREPARED) == ["CDs", "Movies"]
    for wrong in (["CDs", "CDs"], "CDs"):
        with pytest.raises(ConfigError, match="must list the data sets to pretrain on, each once"):
            UniSRecSettings(pretrain_datasets=wrong)
