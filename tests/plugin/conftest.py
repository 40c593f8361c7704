"""A CALRec small enough for a second."""

from typing import Any

import pytest

CALREC = {
    **{"scratch_vocab_size": 300, "scratch_hidden_size": 16, "scratch_intermediate_size": 32},
    **{"scratch_num_hidden_layers": 1, "scratch_num_attention_heads": 2, "train_batch_size": 4},
    **{"train_steps": 6, "warmup_steps": 2, "eval_interval": 3, "valid_users": 3},
    **{"n_gen": 4, "max_new_tokens": 6, "retrieval": "okapi"},
}


@pytest.fixture
def calrec_settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """Overrides for CALRec on Tiny: six steps, validations at steps 2, 3 and 6."""
    return {key: value for key, value in tiny_settings.items() if key != "epochs"} | CALREC
