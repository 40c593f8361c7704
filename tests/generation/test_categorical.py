"""Draws against a plain double loop over cumulative sums."""

import math

import pytest
import torch

from calrec_recbole.generation.categorical import draw

NEARLY_ONE = math.nextafter(1.0, 0.0)


def search(weights, rows, uniforms):
    """The tokens drawn where ``weights`` are the probabilities, up to a factor."""
    return draw(weights.log(), rows, uniforms, 1.0, torch.tensor([0]))[0]


def by_hand(weights, uniform):
    wanted, below = uniform * sum(weights), 0.0
    for index, weight in enumerate(weights):
        below += weight
        if below > wanted:
            return index
    raise AssertionError("no index")


@pytest.mark.parametrize("vocabulary", [1, 5, 128, 129, 1000])
def test_search_finds_the_index_of_a_plain_loop(vocabulary):
    generator = torch.Generator().manual_seed(vocabulary)
    weights = torch.rand(7, vocabulary, generator=generator)
    weights[:, 1::3] = 0
    rows = torch.arange(7).repeat_interleave(40)
    uniforms = torch.rand(280, dtype=torch.float64, generator=generator)
    expected = [by_hand(weights[row].tolist(), float(u)) for row, u in zip(rows, uniforms, strict=True)]
    assert search(weights, rows, uniforms).tolist() == expected


def test_search_never_returns_a_zero_weight_nor_leaves_the_vocabulary():
    weights = torch.zeros(1, 300)
    weights[0, [3, 140, 290]] = torch.tensor([1e-30, 1.0, 1e-12])
    edge = 1 / (1 + 1e-12)
    uniforms = torch.tensor([0.0, 1e-31, 0.5, edge, NEARLY_ONE], dtype=torch.float64)
    found = search(weights, torch.zeros(5, dtype=torch.int64), uniforms).tolist()
    assert set(found) <= {3, 140, 290}
    assert (found[0], found[2], found[-1]) == (3, 140, 290)


def test_all_weight_on_the_last_or_the_first_token():
    for place in (0, 199):
        logits = torch.full((1, 200), -math.inf)
        logits[0, place] = 3.0
        uniforms = torch.tensor([0.0, 0.3, NEARLY_ONE], dtype=torch.float64)
        tokens, logprobs = draw(logits, torch.zeros(3, dtype=torch.int64), uniforms, 0.5, torch.tensor([7]))
        assert tokens.tolist() == [place] * 3
        assert logprobs.tolist() == [0.0] * 3


def test_probabilities_are_at_the_temperature_and_logprobs_at_one():
    p = torch.tensor([0.2, 0.3, 0.5])
    squares = [0.04 / 0.38, 0.09 / 0.38, 0.25 / 0.38]  # temperature 1/2 squares the probabilities
    uniforms = torch.tensor(
        [0, squares[0] - 1e-6, squares[0] + 1e-6, squares[0] + squares[1] - 1e-6, squares[0] + squares[1] + 1e-6],
        dtype=torch.float64,
    )
    tokens, logprobs = draw(p.log()[None], torch.zeros(5, dtype=torch.int64), uniforms, 0.5, torch.tensor([9]) * 0)
    assert tokens.tolist() == [0, 0, 1, 1, 2]
    assert logprobs.exp().tolist() == pytest.approx([0.2, 0.2, 0.3, 0.3, 0.5])


def test_end_tokens_share_the_log_of_their_sum():
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log()
    uniforms = torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    tokens, logprobs = draw(logits, torch.zeros(3, dtype=torch.int64), uniforms, 1.0, torch.tensor([0, 1]))
    assert tokens.tolist() == [0, 1, 2]
    assert logprobs.exp().tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_tiny_temperature_takes_the_likeliest_token():
    logits = torch.tensor([[1.0, 1.1, 0.9]])
    uniforms = torch.linspace(0, NEARLY_ONE, 9, dtype=torch.float64)
    tokens, _ = draw(logits, torch.zeros(9, dtype=torch.int64), uniforms, 1e-4, torch.tensor([2]))
    assert tokens.tolist() == [1] * 9


def test_chunks_of_rows_draw_the_same():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(10, 50, generator=generator)
    rows = torch.tensor([0, 0, 1, 3, 4, 4, 4, 8, 9])  # rows 2, 5, 6 and 7 without samples
    uniforms = torch.rand(9, dtype=torch.float64, generator=generator)
    whole = draw(logits, rows, uniforms, 0.7, torch.tensor([1]))
    chunked = draw(logits, rows, uniforms, 0.7, torch.tensor([1]), at_once=100)  # two rows
    assert whole[0].tolist() == chunked[0].tolist()
    assert whole[1].tolist() == chunked[1].tolist()


def test_logits_that_are_not_numbers_leave_none():
    logits = torch.tensor([[0.0, math.nan], [0.0, 0.0]])
    tokens, nats = draw(
        logits, torch.tensor([0, 1]), torch.tensor([0.5, 0.5], dtype=torch.float64), 0.5, torch.tensor([0])
    )
    assert nats.isnan().tolist() == [True, False]
    assert 0 <= int(tokens[0]) < 128
