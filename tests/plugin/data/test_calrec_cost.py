"""Tokens and FLOPs by hand, on items of known lengths."""

import numpy as np
import pytest
import torch
from torch.utils import benchmark

from calrec_recbole.backbone.outline import Outline
from calrec_recbole.examples import ItemTokens
from calrec_recbole.plugin.data.calrec_cost import generation_work, measured_flops, training_work
from calrec_recbole.training import TrainingSettings

OUTLINE = Outline(None, body=100, head=7)


def items_of(*lengths):
    """Items of these lengths; 2 tokens before the first, 1 between two and 1 after the last."""
    span = np.zeros(1, dtype=np.int64)
    return ItemTokens(
        tuple(np.zeros(n, dtype=np.int64) for n in lengths), np.zeros(2, dtype=np.int64), span, span, 0, np.array([])
    )


def test_generation():
    work = generation_work(items_of(3, 5), [[0], [0, 1]], n_gen=10, outline=OUTLINE)
    prompts = (2 + 3 + 1) + (2 + 3 + 1 + 5 + 1)
    drawn = 2 * 10 * 4  # texts of 4 tokens on average
    assert work.tokens == prompts + drawn
    assert work.flops == 2 * (100 * (prompts + drawn) + 7 * drawn)


def test_training():
    settings = TrainingSettings(train_steps=5, warmup_steps=2, train_batch_size=3, truncate_last=0)
    work = training_work(items_of(3, 5), [[0, 1], [0, 1]], settings, OUTLINE)
    sequence, target = (2 + 3 + 1) + 5, 5
    tokens = 3 * (2 * sequence + 3 * (sequence + target))
    predicted = 3 * (2 * ((3 + 1) + (5 + 1)) + 3 * (5 + 1))  # each item and its end
    assert work.tokens == tokens
    assert work.flops == 6 * (100 * tokens + 7 * predicted)


def test_no_training_costs_nothing():
    settings = TrainingSettings(train_steps=0)
    assert training_work(items_of(3), [[0, 0]], settings, OUTLINE).flops == 0


def test_a_measured_rate_is_that_of_a_product():
    """Against one product timed by torch's own clock, within what a busy machine leaves: a factor of ten."""
    rate = measured_flops(torch.device("cpu"), torch.float32)
    timer = benchmark.Timer("a @ a", globals={"a": torch.ones(1024, 1024)})
    other = 2 * 1024**3 / timer.blocked_autorange(min_run_time=0.2).median
    assert rate == pytest.approx(other, rel=9)
    assert rate > other / 10
