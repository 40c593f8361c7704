"""The sampled softmax against loops; a run of it learns."""

import math

import pytest
import torch

from calrec_recbole.baselines.sasrec_sampled import sampled_softmax
from calrec_recbole.plugin.runner import run


def test_the_loss_is_the_loop_without_the_target_among_the_drawn():
    torch.manual_seed(0)
    users, items = torch.randn(3, 4), torch.randn(6, 4)
    targets, drawn = torch.tensor([1, 5, 2]), torch.tensor([5, 3, 5, 1])
    losses = []
    for user, target in zip(users, targets.tolist(), strict=True):
        own = float(user @ items[target])
        others = [float(user @ items[item]) for item in drawn.tolist() if item != target]
        losses.append(math.log(sum(map(math.exp, [own, *others]))) - own)
    assert float(sampled_softmax(users, targets, items, drawn)) == pytest.approx(sum(losses) / 3, rel=1e-6)


def test_it_runs_as_sasrec_does(tiny_settings):
    sizes = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "negatives": 3}
    assert run("SASRecSampled", overrides={**tiny_settings, **sizes}, show=False).test
