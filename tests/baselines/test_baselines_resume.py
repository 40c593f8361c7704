"""Baselines of ours that train by RecBole's loop resume in it, and in the phases that they add."""

import pytest

SMALL = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "train_batch_size": 4, "epochs": 3}


@pytest.mark.parametrize("model", ["FDSAText", "BERT4RecFull", "UniSRec", "UniSRecID"])
def test_training_goes_on(model, text_settings, interrupted_run_goes_on):
    interrupted_run_goes_on(model, {**text_settings, **SMALL}, epoch=1)


@pytest.mark.parametrize("learner", ["adafactor", "adam"])
def test_tiger_goes_on_under_either_optimiser(learner, text_settings, interrupted_run_goes_on):
    sizes = {"n_heads": 2, "head_size": 4, "id_codes": 4, "id_levels": 2, "user_tokens": 5}
    interrupted_run_goes_on("TIGER", {**text_settings, **SMALL, **sizes, "learner": learner}, epoch=1)


@pytest.mark.parametrize(("phase", "epoch"), [("pretrain", 0), ("pretrain", 1), ("train", 0), ("train", 2)])
def test_s3rec_goes_on_in_either_phase(phase, epoch, text_settings, interrupted_run_goes_on):
    settings = {**text_settings, **SMALL, "pretrain_epochs": 2}
    interrupted_run_goes_on("S3RecText", settings, epoch, phase)
