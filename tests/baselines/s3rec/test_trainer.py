"""Pretraining, then fine-tuning, in one run."""

import pytest

SMALL = {"hidden_size": 8, "inner_size": 16, "pretrain_epochs": 1}


@pytest.mark.parametrize("init", ["text", "random"])
def test_it_pretrains_fine_tunes_and_reloads(init, text_settings, runs_and_reloads):
    folder = runs_and_reloads("S3RecText", {**text_settings, **SMALL, "pretrain_epochs": 2, "text_init": init})
    log = (folder / "log.txt").read_text()
    places = [log.index(line) for line in ("pretraining epoch 0", "pretraining epoch 1", "epoch 0 evaluating")]
    assert places == sorted(places)
