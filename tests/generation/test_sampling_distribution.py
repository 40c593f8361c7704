"""The samples of a prompt are n independent draws: against exact probabilities of a tiny model, by enumeration."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, chisquare

from calrec_recbole.generation import sample

PROMPT, TEMPERATURE, STEPS, N, REPEATS = [1, 3, 2], 0.7, 3, 8, 1000


@torch.inference_mode()
def enumerate_probabilities(model, prefix=()):
    """{token ids: probability} of all outcomes of at most STEPS tokens, the end token 0 among them."""
    if len(prefix) == STEPS:
        return {prefix: 1.0}
    logits = model.eval()(torch.tensor([[*PROMPT, *prefix]])).logits[0, -1].double()
    outcomes = {}
    for token, probability in enumerate(torch.softmax(logits / TEMPERATURE, -1).tolist()):
        below = {prefix: 1.0} if token == 0 else enumerate_probabilities(model, (*prefix, token))
        outcomes |= {ids: probability * rest for ids, rest in below.items()}
    return outcomes


@pytest.fixture(scope="module")
def drawn():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=5, initializer_range=0.5, eos_token_id=0, **sizes))
    samples = sample(
        model, [PROMPT] * REPEATS, N, TEMPERATURE, STEPS, torch.Generator().manual_seed(0), memory_bytes=1 << 22
    )
    return enumerate_probabilities(model), [{entry.token_ids: entry.count for entry in one} for one in samples]


def test_probabilities_sum_to_one(drawn):
    probabilities, _ = drawn
    assert len(probabilities) == 1 + 4 + 16 + 64
    assert sum(probabilities.values()) == pytest.approx(1)


def test_counts_follow_the_exact_probabilities(drawn):
    """Chi-square over all outcomes; those expected fewer than five times are one cell."""
    probabilities, samples = drawn
    expected = {ids: N * REPEATS * probability for ids, probability in probabilities.items()}
    seen = {ids: sum(one.get(ids, 0) for one in samples) for ids in probabilities}
    common = [ids for ids, count in expected.items() if count >= 5]
    rare = [ids for ids in probabilities if ids not in set(common)]
    assert len(common) > 10
    observed = [*(seen[ids] for ids in common), sum(seen[ids] for ids in rare)]
    wanted = [*(expected[ids] for ids in common), sum(expected[ids] for ids in rare)]
    assert chisquare(observed, wanted).pvalue > 1e-3


def test_pairs_of_one_prompt_are_independent(drawn):
    """Ordered pairs of equal samples of one prompt: n (n - 1) sum p^2 of them are expected; and distinct samples."""
    probabilities, samples = drawn
    pairs = torch.tensor([sum(count * (count - 1) for count in one.values()) for one in samples]).double()
    distinct = torch.tensor([len(one) for one in samples]).double()
    for values, expected in (
        (pairs, N * (N - 1) * sum(p * p for p in probabilities.values())),
        (distinct, sum(1 - (1 - p) ** N for p in probabilities.values())),
    ):
        assert abs(values.mean() - expected) < 4 * values.std() / REPEATS**0.5


def test_counts_vary_as_multinomial_ones(drawn):
    """Count of the likeliest outcome over the repeats: binomial(n, p), by chi-square of its histogram."""
    probabilities, samples = drawn
    ids, p = max(probabilities.items(), key=lambda outcome: outcome[1])
    observed = np.bincount([one.get(ids, 0) for one in samples], minlength=N + 1)
    expected = REPEATS * binom.pmf(np.arange(N + 1), N, p)
    cells = expected >= 5
    assert cells.sum() > 3
    observed, expected = (np.append(counts[cells], counts[~cells].sum()) for counts in (observed, expected))
    assert chisquare(observed, expected).pvalue > 1e-3


def test_covariance_of_two_outcomes_is_that_of_a_multinomial(drawn):
    """Two likely outcomes compete for the n draws: covariance -n p q."""
    probabilities, samples = drawn
    (one, p), (two, q) = sorted(probabilities.items(), key=lambda outcome: -outcome[1])[:2]
    counts = torch.tensor([[entry.get(one, 0), entry.get(two, 0)] for entry in samples]).double()
    products = (counts[:, 0] - N * p) * (counts[:, 1] - N * q)
    assert abs(products.mean() - -N * p * q) < 4 * products.std() / REPEATS**0.5
