"""Attention with log-sums, and the merge over two key sets, against torch's own attention over all keys."""

import pytest
import torch

from calrec_recbole.attention.merged_attention import attend, attend_in_steps, merge


def random_states(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("attention", [attend, attend_in_steps])
def test_merged_parts_equal_the_whole(attention):
    query, keys, values = (random_states(2, 3, length, 8, seed=length) for length in (4, 11, 12))
    values = values[:, :, :11]
    whole = torch.nn.functional.scaled_dot_product_attention(query, keys, values, scale=0.3)
    parts = [attention(query, keys[:, :, cut], values[:, :, cut], 0.3) for cut in (slice(0, 7), slice(7, 11))]
    (left, left_sum), (right, right_sum) = parts
    torch.testing.assert_close(merge(left, right, left_sum - right_sum), whole)


@pytest.mark.parametrize("attention", [attend, attend_in_steps])
def test_log_sum_is_that_of_the_masked_scores(attention):
    query, keys = random_states(2, 1, 3, 8), random_states(2, 1, 5, 8, seed=1)
    mask = torch.zeros(2, 1, 1, 5)
    mask[1, ..., 3:] = torch.finfo(torch.float32).min
    _, log_sum = attention(query, keys, keys, 0.5, mask)
    expected = (0.5 * query @ keys.transpose(-1, -2) + mask).logsumexp(-1)
    torch.testing.assert_close(log_sum, expected)


@pytest.mark.parametrize("attention", [attend, attend_in_steps])
def test_a_wholly_masked_part_has_no_share(attention):
    query, keys = random_states(1, 1, 2, 8), random_states(1, 1, 5, 8, seed=1)
    mask = torch.full((1, 1, 1, 5), torch.finfo(torch.float32).min)
    hidden, hidden_sum = attention(query, keys, keys, 1.0, mask)
    seen, seen_sum = attention(query, keys[:, :, :2], keys[:, :, :2], 1.0)
    torch.testing.assert_close(merge(hidden, seen, hidden_sum - seen_sum), seen)
