"""UniSRec's three ways to train: what each asks of the settings."""

import pytest

from calrec_recbole.baselines.unisrec.training_modes import RELOADED, UniSRecSettings, check_stage, sources_of
from calrec_recbole.errors import ConfigError


class Source:
    """A data set that can be asked for others."""

    def __init__(self, name):
        self.name = name

    def on(self, name):
        return Source(name)


def test_from_nothing_no_weights_are_asked_for_and_so_is_a_reloaded_run():
    check_stage(UniSRecSettings(), True, Source("Tools"))
    check_stage(UniSRecSettings(**RELOADED), False, Source("Tools"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_stage": "finetun"}, "must be one of .*did you mean 'finetune'"),
        ({"loss_type": "BPR"}, "loss_type='BPR' must be CE"),
        ({"freeze_encoder": True}, "freeze_encoder=True needs train_stage=finetune, not scratch"),
        ({"pretrain_datasets": ["CDs", "CDs"]}, "must list the data sets to pretrain on, each once"),
        ({"pretrain_datasets": "CDs"}, "must list the data sets to pretrain on, each once"),
    ],
)
def test_what_a_stage_lacks_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        UniSRecSettings(**change)


def test_ids_cannot_be_pretrained():
    with pytest.raises(ConfigError, match="train_stage=pretrain knows no item IDs"):
        check_stage(UniSRecSettings(train_stage="pretrain"), True, Source("Tools"))


def test_sources_are_those_that_are_named_or_the_runs_own():
    assert [source.name for source in sources_of(UniSRecSettings(), Source("Tools"))] == ["Tools"]
    named = UniSRecSettings(pretrain_datasets=["CDs", "Movies"])
    assert [source.name for source in sources_of(named, Source("Tools"))] == ["CDs", "Movies"]
