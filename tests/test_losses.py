"""Equations 1-4 against double loops and hand arithmetic."""

import math

import pytest
import torch

from calrec_recbole.losses import calrec_loss, info_nce, next_item_generation, summed_nll, token_nll


def loop_info_nce(users, items, temperature):
    """Eqs. 2-3 as printed: the denominator runs over users j for a fixed item i."""
    cosine = torch.nn.functional.cosine_similarity
    total = 0.0
    for i in range(len(items)):
        terms = [math.exp(float(cosine(users[j], items[i], dim=0)) / temperature) for j in range(len(users))]
        total -= math.log(terms[i] / sum(terms))
    return total / len(items)


@pytest.mark.parametrize("temperature", [0.5, 0.07])
def test_info_nce_equals_the_printed_sums(temperature):
    generator = torch.Generator().manual_seed(0)
    users, items = torch.randn(7, 5, generator=generator), torch.randn(7, 5, generator=generator)
    assert float(info_nce(users, items, temperature)) == pytest.approx(
        loop_info_nce(users, items, temperature), rel=1e-5
    )


def test_info_nce_normalises_over_users_not_items():
    users = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # two equal users: no item can tell them apart
    items = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(info_nce(users, items, 0.5)) == pytest.approx(math.log(2))
    assert float(info_nce(items, users, 0.5)) != pytest.approx(math.log(2))


def test_info_nce_ignores_lengths_of_vectors():
    users, items = torch.eye(3), torch.eye(3)
    assert float(info_nce(5 * users, 0.1 * items, 0.5)) == pytest.approx(float(info_nce(users, items, 0.5)))
    assert float(info_nce(users, items, 0.5)) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 2)))


def test_next_item_generation_sums_tokens_and_averages_users():
    nll, users = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 0, 1])
    assert float(next_item_generation(nll, users, 2)) == pytest.approx((3.0 + 4.0) / 2)
    assert float(next_item_generation(nll, users, 2, "mean")) == pytest.approx(7.0 / 3)


def test_token_nll_is_minus_log_probability():
    logits = torch.log(torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    assert token_nll(logits, torch.tensor([0, 1])).tolist() == pytest.approx([math.log(4), math.log(2)])


def test_the_mixture_with_the_papers_weights():
    nig, tt, ut = torch.tensor(10.0), torch.tensor(2.0), torch.tensor(4.0)
    assert float(calrec_loss(nig, tt, ut, 0.125, -0.025)) == pytest.approx(0.9 * 10 + 0.125 * 2 - 0.025 * 4)


@pytest.mark.parametrize("rows", [1, 5, 512, 1300])
def test_summed_nll_and_its_gradients_are_those_of_cross_entropy(rows):
    generator = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(11, 6, generator=generator, dtype=torch.float64)
    tokens = torch.randint(11, (rows,), generator=generator)
    ours = [part.clone().requires_grad_() for part in (hidden, weight)]
    theirs = [part.clone().requires_grad_() for part in (hidden, weight)]
    total = summed_nll(*ours, tokens)
    (3 * total / rows).backward()
    expected = torch.nn.functional.cross_entropy(theirs[0] @ theirs[1].T, tokens, reduction="sum")
    (3 * expected / rows).backward()
    torch.testing.assert_close(total.double(), expected, rtol=1e-6, atol=0)
    for part, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(part.grad, reference.grad, rtol=1e-5, atol=1e-7)


def test_summed_nll_under_autocast_rounds_as_plain_operations_do():
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(shape, generator=generator) for shape in ((9, 16), (30, 16)))
    tokens = torch.randint(30, (9,), generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = token_nll(torch.nn.functional.linear(hidden, weight), tokens).sum()
        torch.testing.assert_close(summed_nll(hidden, weight, tokens), plain, rtol=1e-5, atol=0)
