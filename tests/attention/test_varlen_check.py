"""Whether the variable-length kernel computes what plain loops do."""

import logging

import pytest

from calrec_recbole.attention import varlen_check as kernel
from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.generation import sample
from calrec_recbole.generation.shared_prefix import shared_attention

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6], [1, 2, 3, 4, 5, 6, 7]]


SETTINGS = {"n": 24, "temperature": 1.1, "max_new_tokens": 16, "seeds": [11, 12, 13, 14]}


def assert_same(samples, expected):
    for user, wanted in zip(samples, expected, strict=True):
        found = {one.token_ids: one for one in user}
        assert {ids: one.count for ids, one in found.items()} == {one.token_ids: one.count for one in wanted}
        for one in wanted:
            assert found[one.token_ids].logprob == pytest.approx(one.logprob, abs=1e-4)


@pytest.fixture
def kernel_is(monkeypatch):
    def kernel_is(way):
        kernel._agrees.cache_clear()
        monkeypatch.setattr(kernel, "fused", lambda states: True)
        for module in (kernel, shared_attention):
            monkeypatch.setattr(module, "varlen_attention", way)

    yield kernel_is
    kernel._agrees.cache_clear()


def fails(*asked, **options):
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.\nmore")


def other_log_sums(*asked, **options):
    out, log_sums = varlen_attention_in_loops(*asked, **options)
    return out, log_sums / 2


def log_sums_of_tokens(*asked, **options):
    out, log_sums = varlen_attention_in_loops(*asked, **options)
    return out, log_sums.T


def one_query_of_each(query, key, value, queries, keys, **options):
    """As the kernel does with ``longest`` 1: heads stand in the place of queries, one of each sequence."""
    if len(query) < len(queries.starts) - 1:
        raise RuntimeError(f"shape '[{len(queries.starts) - 1}, 2, 3, 8]' is invalid for input of size {query.numel()}")
    return varlen_attention_in_loops(query, key, value, queries, keys, **options)


@pytest.mark.parametrize("wrong", [fails, other_log_sums, log_sums_of_tokens, one_query_of_each])
def test_a_kernel_that_computes_otherwise_is_not_used(llama, kernel_is, caplog, wrong):
    plain = sample(llama, PROMPTS, **SETTINGS)
    kernel_is(wrong)
    with caplog.at_level(logging.WARNING):
        assert_same(sample(llama, PROMPTS, **SETTINGS), plain)
        sample(llama, PROMPTS, **SETTINGS)
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("torch's variable-length attention cannot be used on cpu (")
    assert "\n" not in told


def test_a_kernel_that_computes_the_same_is(llama, kernel_is):
    calls = []

    def right(*asked, **options):
        calls.append(options)
        return varlen_attention_in_loops(*asked, **options)

    plain = sample(llama, PROMPTS, **SETTINGS)
    kernel_is(right)
    assert_same(sample(llama, PROMPTS, **SETTINGS), plain)
    assert len(calls) > 2
