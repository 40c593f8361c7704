"""Every sequential model of RecBole runs by name for one epoch; its scores, metrics and reload are checked."""

import pytest
import torch

from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.registry import recbole_models
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

FEATURES = {name: {"selected_features": ["category"]} for name in ("FDSA", "GRU4RecF", "SASRecF")}
SETTINGS = {
    **FEATURES,
    "S3Rec": {"item_attribute": "category", "pretrain_epochs": 1},
    "GRU4RecCPR": {"reranker_CAN_NUM": 5},  # of 8 items
    "SASRecCPR": {"reranker_CAN_NUM": 5},
}
KNOWLEDGE = ("GRU4RecKG", "KSR")  # need pretrained embeddings of a knowledge graph


@pytest.mark.parametrize("model", sorted(set(recbole_models()) - set(KNOWLEDGE)))
def test_one_epoch(model, tiny_settings):
    done = run(model, overrides={**tiny_settings, **SETTINGS.get(model, {})}, show=False)
    loaded = load_run(done.folder)
    trainer = trainer_for(model)(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
    with torch.no_grad():
        _, scores, _, targets = trainer._full_sort_batch_eval(next(iter(loaded.test_data)))
    assert scores.shape == (len(targets), 9)  # pad and a-h
    assert torch.isfinite(scores[:, 1:]).all()


def test_s3rec_is_fine_tuned_from_its_pretrained_weights(tiny_settings):
    settings = {**tiny_settings, **SETTINGS["S3Rec"]}
    pretrained = run("S3Rec", overrides=settings, show=False).folder / "checkpoint" / "S3Rec-Tiny-1.pth"
    second = {**settings, "train_stage": "finetune", "pre_model_path": str(pretrained)}
    assert run("S3Rec", overrides=second, show=False).best_valid_score > 0


@pytest.mark.parametrize("model", KNOWLEDGE)
def test_a_model_of_a_knowledge_graph_says_what_it_lacks(model, tiny_settings):
    with pytest.raises(CalrecError, match="Tiny"):
        run(model, overrides=tiny_settings, show=False)
