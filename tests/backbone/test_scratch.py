"""The tokenizer and the decoder that are made from nothing."""

import pytest
import torch

from calrec_recbole.backbone import (
    Backbone,
    ScratchSizes,
    add_dropout,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.prompts import NEXT_ITEM

TEXTS = [f"Title: Cordless drill {n} volt. Category: Power tools. Brand: Bosch. Price: Unknown." for n in range(40)]


SIZES = ScratchSizes(400, 32, 2, 2, 64, 0.5)


@pytest.fixture
def backbone():
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    return Backbone(scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 128, seed=3), tokenizer)


@pytest.mark.parametrize("merge_across_words", [True, False])
def test_the_trained_tokenizer_is_lossless(merge_across_words):
    tokenizer = train_tokenizer(TEXTS, 400, merge_across_words=merge_across_words)
    for text in (f" {TEXTS[0]}", NEXT_ITEM, " Title: naïve 🔧 \t tool.", " two  spaces"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.decode([tokenizer.eos_token_id], skip_special_tokens=True) == ""


def test_merging_across_words_shortens_sequences_but_keeps_attributes_apart():
    merged, plain = (train_tokenizer(TEXTS, 400, merge_across_words=merge) for merge in (True, False))
    text = f" {TEXTS[7]}"
    assert len(merged(text)["input_ids"]) < 0.6 * len(plain(text)["input_ids"])
    for token in merged.tokenize(text):
        assert sum(label in token for label in ("Title:", "Category:", "Brand:", "Price:")) <= 1


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_state_alone(backbone):
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    again = scratch_model(SIZES, len(backbone.tokenizer), backbone.tokenizer.eos_token_id, 128, seed=3)
    assert torch.rand(1) == expected
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), backbone.model.parameters(), strict=True))


def test_dropout_acts_in_training_only(backbone):
    add_dropout(backbone.model, 0.5)
    ids = torch.arange(1, 9)[None]
    backbone.model.eval()
    assert torch.equal(backbone.model(ids).logits, backbone.model(ids).logits)
    backbone.model.train()
    assert not torch.equal(backbone.model(ids).logits, backbone.model(ids).logits)
