"""Fig. 1 against plain passes, one sequence at a time."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.two_tower import (
    collate_sequences,
    collate_targets,
    encode_sequences,
    encode_targets,
    masked_mean,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=1,
    )
    return LlamaForCausalLM(config).eval()


def example(tokens, prompt_length):
    labels = np.full(len(tokens), IGNORED, dtype=np.int64)
    labels[prompt_length - 1 : -1] = tokens[prompt_length:]
    labels[-1] = 1
    return Example(np.array(tokens, dtype=np.int64), prompt_length, labels)


EXAMPLES = [example([2, 3, 4, 5, 6, 7], 4), example([8, 9, 10], 2), example([2, 2, 3, 11, 12, 13, 14, 15], 3)]


@pytest.mark.parametrize("start", [[], [19]])
def test_towers_equal_one_pass_per_sequence(model, start):
    trunk = model.base_model
    with torch.no_grad():
        tower = encode_sequences(trunk, collate_sequences(EXAMPLES))
        targets = encode_targets(trunk, collate_targets(EXAMPLES, np.array(start, dtype=np.int64)))
        for row, one in enumerate(EXAMPLES):
            whole = trunk(torch.from_numpy(one.tokens)[None]).last_hidden_state[0]
            alone = trunk(torch.tensor([[*start, *one.target.tolist()]])).last_hidden_state[0]
            torch.testing.assert_close(tower.user[row], whole[: one.prompt_length].mean(0))
            torch.testing.assert_close(tower.target_in_context[row], whole[one.prompt_length :].mean(0))
            torch.testing.assert_close(targets[row], alone[len(start) :].mean(0))
            torch.testing.assert_close(tower.hidden[tower.rows == row], whole[one.prompt_length - 1 :])
            assert tower.labels[tower.rows == row].tolist() == [*one.target.tolist(), 1]


def test_the_loss_over_the_tower_is_the_models_own(model):
    """transformers' own cross-entropy on the same labels, one sequence at a time."""
    with torch.no_grad():
        tower = encode_sequences(model.base_model, collate_sequences(EXAMPLES))
        ours = torch.nn.functional.cross_entropy(model.lm_head(tower.hidden), tower.labels, reduction="sum")
        theirs = torch.tensor(0.0)
        for one in EXAMPLES:
            tokens = torch.from_numpy(np.append(one.tokens, 1))[None]
            labels = tokens.clone()
            labels[:, : one.prompt_length] = IGNORED
            theirs += model(tokens, labels=labels).loss * (labels != IGNORED).sum()
    torch.testing.assert_close(ours, theirs)


def test_features_are_float32_under_autocast(model):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.base_model(torch.arange(8)[None]).last_hidden_state
        pooled = masked_mean(hidden, torch.ones(1, 8, dtype=torch.bool))
    torch.testing.assert_close(pooled, hidden.float().mean(1), rtol=1e-6, atol=1e-6)
    assert pooled.dtype == torch.float32


def test_masked_mean_by_hand():
    hidden = torch.tensor([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [6.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert masked_mean(hidden, mask).tolist() == [[2.0], [4.0]]
