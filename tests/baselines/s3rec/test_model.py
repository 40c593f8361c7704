import pytest
import torch
from recbole.model.sequential_recommender.s3rec import S3Rec

from calrec_recbole.baselines.s3rec import model as s3rec_text
from calrec_recbole.baselines.s3rec.corruption import Segments
from calrec_recbole.baselines.s3rec.model import one_of_many
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config

SMALL = {"hidden_size": 8, "inner_size": 16, "pretrain_epochs": 1}


def test_binary_cross_entropy_over_all_classes():
    torch.manual_seed(1)
    scores, classes = torch.randn(4, 6), torch.tensor([5, 0, 3, 3])
    reference = torch.nn.BCEWithLogitsLoss(reduction="none")
    wanted = reference(scores, torch.nn.functional.one_hot(classes, 6).float()).sum(dim=1)
    torch.testing.assert_close(one_of_many(scores, classes), wanted)


def test_each_distinct_text_is_one_class(text_settings, build):
    model, dataset, _ = build("S3RecText", {**text_settings, **SMALL})
    ids = dataset.field2token_id["item_id"]
    assert model.item_class[ids["b"]] == model.item_class[ids["h"]]
    assert len(model.item_class[1:].unique()) == len(model.class_item) == 7
    for item in range(1, 9):
        chosen = model.class_item[model.item_class[item]]
        assert torch.equal(model.feature_embedding.vectors[chosen], model.feature_embedding.vectors[item])


def test_the_pretraining_loss_is_recboles_where_no_row_has_pads(text_settings, build, monkeypatch):
    """RecBole's own ``pretrain`` on the same corrupted rows, with the adapted texts as its attribute embeddings."""
    model, _, _ = build("S3RecText", {**text_settings, **SMALL})
    rows = torch.tensor([[1, 2, 3, 4, 5], [8, 6, 7, 1, 2]])
    hidden = torch.tensor([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]]).bool()
    negatives = torch.tensor([[0, 7, 0, 0, 6], [3, 0, 0, 0, 0]])
    m = model.mask_token
    segments = Segments(
        torch.tensor([[1, m, m, 4, 5], [8, 6, 7, 1, m]]),
        torch.tensor([[m, 2, 3, m, m], [m, m, m, m, 2]]),
        torch.tensor([[m, 8, 6, m, m], [m, m, m, m, 5]]),
        torch.tensor([5, 5]),
    )
    monkeypatch.setattr(s3rec_text, "hide_items", lambda *_: hidden)
    monkeypatch.setattr(s3rec_text, "other_items", lambda *_: negatives[hidden])
    monkeypatch.setattr(s3rec_text, "cut_segments", lambda *_: segments)
    lengths = torch.tensor([5, 5])
    ours = model.calculate_loss({model.ITEM_SEQ: rows, model.ITEM_SEQ_LEN: lengths})

    classes = model.item_class[rows]
    model.feature_embedding = torch.nn.Embedding.from_pretrained(model.feature_embedding(model.class_item).detach())
    model.n_features = len(model.class_item)
    features = torch.nn.functional.one_hot(classes, model.n_features)
    theirs = S3Rec.pretrain(model, features, rows.masked_fill(hidden, m), rows, negatives, *segments[:3])
    torch.testing.assert_close(ours, theirs)


def test_rows_of_one_item_have_no_segment_and_a_finite_loss(text_settings, build):
    model, _, _ = build("S3RecText", {**text_settings, **SMALL})
    loss = model.calculate_loss({model.ITEM_SEQ: torch.tensor([[3, 0, 0]]), model.ITEM_SEQ_LEN: torch.tensor([1])})
    assert loss.isfinite()


def test_fine_tuning_is_recboles(text_settings, build):
    model, _, data = build("S3RecText", {**text_settings, **SMALL})
    model.start_finetuning()
    batch = next(iter(data.train))
    states = S3Rec.forward(model, batch["item_id_list"], bidirectional=False)
    last = torch.stack([state[length - 1] for state, length in zip(states, batch["item_length"], strict=True)])
    wanted = torch.nn.functional.cross_entropy(last @ model.item_embedding.weight.T, batch["item_id"])
    torch.testing.assert_close(model.calculate_loss(batch), wanted)


def test_recboles_two_stages_by_hand_are_unknown(text_settings):
    with pytest.raises(ConfigError, match="'train_stage' is unknown to S3RecText"):
        Config("S3RecText", config_dict={**text_settings, "train_stage": "finetune"})
