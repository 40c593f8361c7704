"""The likelihood of held-out items."""

import numpy as np
import pytest
import torch

from calrec_recbole.training import nats_per_item
from tests.training.small_loop import training


def test_nats_per_item_is_the_models_own_likelihood():
    run = training()
    example = run.items.example([2, 3], 4)
    tokens = torch.from_numpy(np.append(example.tokens, run.items.end))[None]
    with torch.no_grad():
        logprobs = torch.log_softmax(run.backbone.model(tokens).logits[0], dim=-1)
    places = range(example.prompt_length, tokens.shape[1])
    expected = -sum(float(logprobs[place - 1, tokens[0, place]]) for place in places)
    assert nats_per_item(run.backbone, run.items, [([2, 3], 4)]) == pytest.approx(expected, rel=1e-5)
