"""Settings with which CALRec runs on Tiny within a second or two."""

from typing import Any

import pytest


@pytest.fixture
def tiny_calrec(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """A decoder of one layer, six steps of four users."""
    return {
        **{key: value for key, value in tiny_settings.items() if key != "epochs"},
        "scratch_vocab_size": 300,
        "scratch_hidden_size": 16,
        "scratch_intermediate_size": 32,
        "scratch_num_hidden_layers": 1,
        "scratch_num_attention_heads": 2,
        "train_steps": 6,
        "warmup_steps": 3,
        "train_batch_size": 4,
        "eval_interval": 2,
        "valid_users": 3,
        "n_gen": 4,
        "max_new_tokens": 6,
        "retrieval": "okapi",
    }
