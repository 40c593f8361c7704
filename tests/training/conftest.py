"""A tiny decoder in training, for tests of several modules."""

import pytest
import torch

from calrec_recbole.backbone import (
    AdapterSettings,
    Backbone,
    ScratchSizes,
    add_adapters,
    add_dropout,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)
DEFAULTS = {"train_steps": 9, "train_batch_size": 8, "micro_batch_tokens": 120, "micro_batch_cost": 0}


@pytest.fixture
def tiny_training():
    """Makes a ``Training`` of 10 users in batches of 8, from settings that differ from ``DEFAULTS``."""

    def make(dropout=0.0, rank=0, **changes):
        tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
        model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
        add_dropout(model, dropout)
        add_adapters(model, AdapterSettings(lora_rank=rank), seed=3)
        settings = TrainingSettings(**{**DEFAULTS, "precision": "float32", **changes})
        items = tokenise_items(TEXTS, tokenizer, 200)
        return Training(Backbone(model, tokenizer), items, SEQUENCES, settings, 5, torch.device("cpu"))

    return make
