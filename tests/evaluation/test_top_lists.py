from collections import Counter
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.evaluation.top_lists import tie_chances, top_items


def lists_of(scores: list[float], k: int) -> list[tuple[int, ...]]:
    """The top k under every order of the items, equal scores as they come in that order."""
    orders = permutations(range(len(scores)))
    return [tuple(sorted(order, key=lambda item: -scores[item])[:k]) for order in orders]


@given(scores=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=5), k=st.integers(1, 6))
def test_chances_are_shares_of_all_orders_of_the_items(scores, k):
    found = lists_of(scores, k)
    counts = Counter(item for one in found for item in one)
    expected = [counts[item] / len(found) for item in range(len(scores))]
    assert tie_chances(torch.tensor([scores]), k)[0].tolist() == pytest.approx(expected)


@given(scores=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=5), k=st.integers(1, 6))
def test_the_list_is_that_of_the_items_in_their_order(scores, k):
    best = top_items(torch.tensor([scores, scores[::-1]]), k)
    for row, own in enumerate((scores, scores[::-1])):
        expected = sorted(range(len(own)), key=lambda item: -own[item])[:k]  # a stable sort
        assert best.items[best.rows == row].tolist() == expected
        assert best.scores[best.rows == row].tolist() == [own[item] for item in expected]


@given(scores=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=6), k=st.integers(1, 6))
def test_a_tie_at_the_cut_is_whole_where_it_is_narrow(scores, k):
    ordered = sorted(scores, reverse=True)
    last = ordered[min(k, len(scores)) - 1]
    across = len(scores) > k and ordered[k] == last
    for widest in (0, 3):
        best = top_items(torch.tensor([scores]), k, widest_tie=widest)
        whole = across and scores.count(last) <= widest
        expected = [one for one in ordered if one >= last] if whole else ordered[:k]
        assert best.scores.tolist() == expected
        lacking = scores.count(last) - expected.count(last)
        assert best.left_out.tolist() == [lacking if one == last else 0 for one in expected]


def test_what_is_not_retrieved_is_in_no_list():
    scores = torch.tensor([[3.0, -1.0, -1.0, 2.0], [-1.0, -1.0, -1.0, -1.0]])
    assert tie_chances(scores, 3, unretrieved=-1.0).tolist() == [[1, 0, 0, 1], [0, 0, 0, 0]]
    best = top_items(scores, 3, unretrieved=-1.0)
    assert (best.rows.tolist(), best.items.tolist()) == ([0, 0], [0, 3])
