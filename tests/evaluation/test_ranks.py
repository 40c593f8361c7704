import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.errors import ScoreError
from calrec_recbole.evaluation import ranks, ranks_without, tie_ranks


def by_double_loop(scores, targets):
    optimistic, pessimistic = [], []
    for row, target in zip(scores.tolist(), targets.tolist(), strict=True):
        greater = equal = 0
        for score in row:
            greater += score > row[target]
            equal += score == row[target]
        optimistic.append(1 + greater)
        pessimistic.append(greater + equal)
    return optimistic, pessimistic


@given(data=st.data())
def test_both_ranks_equal_a_double_loop(data):
    n_items, n_users = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 6))
    few_values = st.sampled_from([-1.5, 0.0, -0.0, 0.25, 1e30])  # so that ties are common
    row = st.lists(few_values, min_size=n_items, max_size=n_items)
    values = data.draw(st.lists(row, min_size=n_users, max_size=n_users))
    scores = torch.tensor(values, dtype=data.draw(st.sampled_from([torch.float32, torch.float64]))).view(-1, n_items)
    targets = torch.tensor(data.draw(st.lists(st.integers(0, n_items - 1), min_size=n_users, max_size=n_users))).long()
    optimistic, pessimistic = tie_ranks(scores, targets)
    assert optimistic.dtype == pessimistic.dtype == torch.int64
    assert (optimistic.tolist(), pessimistic.tolist()) == by_double_loop(scores, targets)


@given(data=st.data())
def test_ranks_without_an_item_are_those_of_scores_without_its_column(data):
    n_items, n_users = data.draw(st.integers(2, 8)), data.draw(st.integers(1, 5))
    row = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=n_items, max_size=n_items)
    scores = torch.tensor(data.draw(st.lists(row, min_size=n_users, max_size=n_users)))
    place = st.lists(st.integers(0, n_items - 1), min_size=n_users, max_size=n_users)
    targets, items = torch.tensor(data.draw(place)), torch.tensor(data.draw(place))
    optimistic, pessimistic = ranks_without(items, scores, targets, *tie_ranks(scores, targets))
    for user, (target, item) in enumerate(zip(targets.tolist(), items.tolist(), strict=True)):
        expected = ([0], [0])
        if target != item:
            left = [score for place, score in enumerate(scores[user].tolist()) if place != item]
            expected = by_double_loop(torch.tensor([left]), torch.tensor([target - (item < target)]))
        assert ([int(optimistic[user])], [int(pessimistic[user])]) == expected


def test_a_target_that_was_not_retrieved_ranks_last_in_both_cases():
    """Of four items the second is found; without it the others are three."""
    scores, targets = torch.tensor([[-torch.inf, 0.0, 0.9, 0.0, 0.0]] * 3), torch.tensor([1, 2, 3])
    ranks = tie_ranks(scores, targets, unretrieved=0.0)
    assert [rank.tolist() for rank in ranks] == [[4, 1, 4], [4, 1, 4]]
    masked = ranks_without(torch.tensor([2, 3, 4]), scores, targets, *ranks)
    assert [rank.tolist() for rank in masked] == [[3, 1, 3], [3, 1, 3]]


def test_the_pad_column_lies_below_everything():
    scores = torch.tensor([[-torch.inf, 0.0, 0.0, -7.0]])
    assert tie_ranks(scores, torch.tensor([3])) == (torch.tensor([3]), torch.tensor([3]))


def test_a_full_tie_is_first_and_last():
    optimistic, pessimistic = tie_ranks(torch.zeros(2, 5), torch.tensor([0, 4]))
    assert (optimistic.tolist(), pessimistic.tolist()) == ([1, 1], [5, 5])


def test_rows_that_exceed_a_block_are_ranked_alike(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 4, (11, 6), generator=generator).float()
    targets = torch.randint(0, 6, (11,), generator=generator)
    monkeypatch.setattr(ranks, "BLOCK", 13)
    optimistic, pessimistic = tie_ranks(scores, targets)
    assert (optimistic.tolist(), pessimistic.tolist()) == by_double_loop(scores, targets)


def test_a_batch_of_the_largest_data_set():
    """512 users, 37,000 items, scores 0, 0, 1, 1, 2, 2, ...: ranks by arithmetic."""
    n_items = 37_000
    scores = (torch.arange(n_items) // 2).float().expand(512, n_items)
    targets = torch.arange(512) * 72
    optimistic, pessimistic = tie_ranks(scores, targets)
    assert torch.equal(optimistic, n_items - targets - 1)
    assert torch.equal(pessimistic, n_items - targets)


def test_close_float64_scores_do_not_tie():
    scores = torch.tensor([[1.0, 1.0 + 1e-12]], dtype=torch.float64)
    assert tie_ranks(scores, torch.tensor([0])) == (torch.tensor([2]), torch.tensor([2]))


def test_nan_names_the_model_and_the_row():
    scores = torch.zeros(3, 4)
    scores[2, 1] = torch.nan
    with pytest.raises(ScoreError, match=r"SASRec: NaN among the scores of row 2"):
        tie_ranks(scores, torch.tensor([0, 1, 2]), model="SASRec")


def test_an_unscored_target_is_an_error():
    with pytest.raises(ScoreError, match="row 0 scores -inf"):
        tie_ranks(torch.tensor([[-torch.inf, 0.0]]), torch.tensor([0]))


@pytest.mark.parametrize(("scores", "targets"), [((2, 3), (3,)), ((6,), (2,)), ((2, 3), (2, 1))])
def test_shapes_that_do_not_fit(scores, targets):
    with pytest.raises(ScoreError, match="expected"):
        tie_ranks(torch.zeros(scores), torch.zeros(targets, dtype=torch.int64))


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_outside_the_items(target):
    with pytest.raises(ScoreError, match="outside the 3 scored items"):
        tie_ranks(torch.zeros(1, 3), torch.tensor([target]))
