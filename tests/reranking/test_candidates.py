"""Candidates and mixing by hand and against plain forward passes."""

import doctest

import numpy as np
import pytest
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.examples import tokenise_items
from calrec_recbole.reranking import candidates as reranking
from calrec_recbole.reranking.candidates import (
    candidates,
    combine,
    log_softmax,
    scaled,
    target_logprobs,
)

TEXTS = ("Title: Red pen.", "Title: Blue ink.", "Title: Green ruler.", "Title: Blue ink.", "Title: A long steel clip.")


@pytest.fixture(scope="module")
def backbone():
    tokenizer = train_tokenizer(TEXTS, 320, merge_across_words=True)
    return Backbone(
        scratch_model(ScratchSizes(320, 32, 2, 2, 64, 0.0), len(tokenizer), tokenizer.eos_token_id, 256, 0), tokenizer
    )


@pytest.fixture(scope="module")
def items(backbone):
    return tokenise_items(TEXTS, backbone.tokenizer, 200)


def test_the_docstring_examples():
    assert doctest.testmod(reranking).failed == 0


def test_all_that_tie_with_the_last_candidate_are_candidates():
    scores = np.array([[1.0, 5.0, 3.0, 3.0], [2.0, 2.0, 2.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
    assert candidates(scores, 2).astype(int).tolist() == [[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]
    assert candidates(scores, 9).all()
    with pytest.raises(ConfigError, match="rerank_candidates=0"):
        candidates(scores, 0)
    with pytest.raises(ScoreError, match="NaN"):
        candidates(np.array([[np.nan, 1.0]]), 1)


def test_log_softmax_and_scaling_are_over_the_candidates_alone():
    values, chosen = np.array([[1.0, 2.0, 900.0, 4.0]]), np.array([[True, True, False, True]])
    expected = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).log_softmax(0).numpy()
    assert log_softmax(values, chosen)[0, [0, 1, 3]] == pytest.approx(expected)
    assert scaled(values, chosen)[0].tolist() == [0.0, pytest.approx(1 / 3), -np.inf, 1.0]
    assert scaled(np.array([[3.0, 3.0, 9.0]]), np.array([[True, True, False]]))[0, :2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_candidates_come_first_and_the_others_keep_the_first_stages_order(weight):
    rng = np.random.default_rng(3)
    first = rng.integers(0, 9, (20, 30)).astype(float)  # with ties
    own, others = rng.normal(size=(2, 20, 30))
    chosen = candidates(first, 7)
    mixed = combine(first, chosen, own, others, weight)
    for row in range(20):
        inside, outside = np.flatnonzero(chosen[row]), np.flatnonzero(~chosen[row])
        assert mixed[row, inside] == pytest.approx((1 - weight) * own[row, inside] + weight * others[row, inside])
        assert mixed[row, inside].min() > mixed[row, outside].max()
        for one in outside:
            for two in outside:
                assert np.sign(mixed[row, one] - mixed[row, two]) == np.sign(first[row, one] - first[row, two])


def test_with_all_items_candidates_there_is_no_rest():
    assert combine(np.ones((1, 2)), np.ones((1, 2), bool), np.array([[3.0, 1.0]]), np.zeros((1, 2)), 0.0).tolist() == [
        [3.0, 1.0]
    ]
    with pytest.raises(ConfigError, match=r"rerank_weight=1.5"):
        combine(np.ones((1, 2)), np.ones((1, 2), bool), np.zeros((1, 2)), np.zeros((1, 2)), 1.5)


def test_target_logprobs_are_those_of_a_plain_pass(backbone, items):
    histories, chosen = [[0], [2, 1]], np.array([[1, 1, 0, 1, 0], [0, 0, 1, 0, 1]], bool)
    found = target_logprobs(backbone, items, histories, chosen)
    assert found[0, 1] == found[0, 3] != 0
    assert (found[~chosen] == 0).all()
    for row, item in zip(*np.nonzero(chosen), strict=True):
        prompt, text = items.prompt(histories[row]).tolist(), [*items.items[item].tolist(), items.end]
        with torch.inference_mode():
            logprobs = backbone.model.eval()(torch.tensor([[*prompt, *text]])).logits[0].double().log_softmax(-1)
        expected = sum(float(logprobs[len(prompt) - 1 + place, token]) for place, token in enumerate(text))
        assert found[row, item] == pytest.approx(expected, abs=1e-3)
