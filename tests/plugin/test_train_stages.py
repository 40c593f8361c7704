import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.train_stages import STAGES, check_train_stage, reads_other_data


def test_a_stage_of_another_model_is_refused():
    check_train_stage("UniSRec", "pretrain")
    with pytest.raises(ConfigError, match="train_stage='pretrain' must be one of finetune, joint"):
        check_train_stage("CALRec", "pretrain")


def test_s3rec_pretrains_on_the_runs_own_training_part():
    assert [model for model in (*STAGES, "S3Rec", "S3RecText") if reads_other_data(model, "pretrain")] == list(STAGES)
    assert not reads_other_data("CALRec", "finetune")
