"""`best_texts` against brute force: every text of a small catalogue scored by plain forward passes."""

import itertools

import numpy as np
import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.generation import Trie, best_texts, text_logprobs

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6]]
CATALOGUE = [[3, *text] for text in itertools.product((1, 4, 6), (2, 5), (7, 8, 9))] + [[3], [3, 1], [10, 2]]


@pytest.fixture
def trie():
    return Trie.of(CATALOGUE)


def brute_force(model, plain_logprob, prompt):
    return np.array([plain_logprob(model, prompt, [*text, 0]) for text in CATALOGUE])


def test_with_a_beam_as_wide_as_the_catalogue_it_is_brute_force(decoder, plain_logprob, trie):
    for prompt, found in zip(PROMPTS, best_texts(decoder, PROMPTS, trie, len(CATALOGUE), len(CATALOGUE)), strict=True):
        expected = brute_force(decoder, plain_logprob, prompt)
        assert found.exact
        assert sorted(found.texts.tolist()) == list(range(len(CATALOGUE)))
        assert found.logprobs == pytest.approx(expected[found.texts], abs=1e-4)
        assert (np.diff(found.logprobs) <= 0).all()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_bound_loses_nothing(decoder, plain_logprob, trie, k):
    for prompt, found in zip(PROMPTS, best_texts(decoder, PROMPTS, trie, k, len(CATALOGUE)), strict=True):
        expected = brute_force(decoder, plain_logprob, prompt)
        assert found.exact
        assert found.texts.tolist() == np.argsort(-expected, kind="stable")[:k].tolist()


def test_what_is_called_exact_is_exact(build, plain_logprob, trie):
    """Narrow beams over many prompts: both answers occur, and the certified ones are right."""
    model = build("llama")
    prompts = [[first, second] for first in range(1, 12) for second in range(1, 12)]
    certified = 0
    for prompt, found in zip(prompts, best_texts(model, prompts, trie, 2, 3), strict=True):
        expected = brute_force(model, plain_logprob, prompt)
        assert found.logprobs == pytest.approx(expected[found.texts], abs=1e-4)
        if found.exact:
            certified += 1
            assert found.logprobs == pytest.approx(np.sort(expected)[::-1][:2], abs=1e-4)
    assert 0 < certified < len(prompts)


def test_a_single_beam_is_greedy(llama, trie):
    (found,) = best_texts(llama, [[1, 2]], trie, 1, 1)
    assert len(found.texts) == 1
    (nats,) = text_logprobs(llama, [[1, 2]], [[CATALOGUE[int(found.texts[0])]]])
    assert found.logprobs == pytest.approx(nats, abs=1e-5)


def test_batching_does_not_change_what_is_found(decoder, trie):
    together = best_texts(decoder, PROMPTS, trie, 4, 6)
    alone = best_texts(decoder, PROMPTS, trie, 4, 6, memory_bytes=1)
    for left, right in zip(together, alone, strict=True):
        assert left.texts.tolist() == right.texts.tolist()
        assert left.exact == right.exact


def test_settings_out_of_range_are_refused(llama, trie):
    for wrong in ({"k": 0}, {"beams": 0}):
        with pytest.raises(ConfigError, match="must be at least 1"):
            best_texts(llama, [[1]], trie, **wrong)
    assert best_texts(llama, [], trie) == []
