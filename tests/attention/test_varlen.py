"""Attention of packed sequences against torch's own, sequence by sequence; the fused kernel needs a GPU."""

import pytest
import torch
import torch.nn.functional as F

from calrec_recbole.attention.varlen import Segments, fused, varlen_attention, varlen_attention_in_loops

CPU = torch.device("cpu")
LENGTHS = [3, 1, 6]
HEADS, KEY_HEADS, WIDTH = 4, 2, 8


@pytest.fixture
def states():
    torch.manual_seed(0)
    rows = sum(LENGTHS)
    return torch.randn(rows, HEADS, WIDTH), *torch.randn(2, rows, KEY_HEADS, WIDTH).unbind()


def test_starts_are_the_sums_of_the_lengths():
    found = Segments.of(LENGTHS, CPU)
    assert (found.starts.tolist(), found.longest) == ([0, 3, 4, 10], 6)
    assert found.starts.dtype is torch.int32


@pytest.mark.parametrize("causal", [True, False])
def test_each_sequence_attends_to_itself_alone(states, causal):
    segments = Segments.of(LENGTHS, CPU)
    out, log_sums = varlen_attention_in_loops(*states, segments, segments, causal=causal, scaling=0.3)
    assert log_sums.shape == (HEADS, sum(LENGTHS))
    for start, length in zip([0, 3, 4], LENGTHS, strict=True):
        query, key, value = (part[start : start + length].transpose(0, 1) for part in states)
        key, value = (part.repeat_interleave(HEADS // KEY_HEADS, 0) for part in (key, value))
        expected = F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=0.3)
        torch.testing.assert_close(out[start : start + length].transpose(0, 1), expected)


def test_a_window_of_one_sees_itself_and_its_log_sum_is_its_own_score(states):
    query, key, value = states
    segments = Segments.of(LENGTHS, CPU)
    out, log_sums = varlen_attention_in_loops(*states, segments, segments, causal=True, scaling=0.5, window=1)
    group = HEADS // KEY_HEADS
    torch.testing.assert_close(out, value.repeat_interleave(group, 1))
    torch.testing.assert_close(log_sums.T, 0.5 * (query * key.repeat_interleave(group, 1)).sum(-1))


def test_only_the_used_keys_count(states):
    query, key, value = states
    two = Segments.of([5, 5], CPU)
    asked = {"causal": False, "scaling": 1.0}
    out, _ = varlen_attention_in_loops(query, key, value, two, two, used=torch.tensor([2, 5]), **asked)
    few = Segments.of([2], CPU)
    expected, _ = varlen_attention_in_loops(query[:5], key[:2], value[:2], Segments.of([5], CPU), few, **asked)
    torch.testing.assert_close(out[:5], expected)


def test_the_kernel_hears_of_two_queries_at_least(monkeypatch, states):
    """Of one it takes each sequence to have one; after the end of a text a sequence has none."""
    heard = []
    kernel = lambda *asked, **options: heard.append(asked[5]) or (asked[0], torch.zeros(HEADS, 1))  # noqa: E731
    monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", kernel)
    query, key, value = states
    for lengths in ([1, 0, 1], [2, 5]):
        segments = Segments.of(lengths, CPU)
        varlen_attention(query[: sum(lengths)], key, value, segments, segments, causal=False, scaling=1.0)
    assert heard == [2, 5]


def test_the_kernel_is_for_cuda():
    assert not fused(torch.zeros(2, 8, dtype=torch.bfloat16))
