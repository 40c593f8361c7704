import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.training.micro_batches.batches import fitting_groups, micro_batches, step_users, truncated


def test_an_epoch_sees_every_user_once():
    seen = np.concatenate([step_users(10, 4, step, seed=3) for step in range(5)])
    assert sorted(seen[:10]) == list(range(10))
    assert sorted(seen[10:]) == list(range(10))
    assert list(seen[:10]) != list(seen[10:])


def test_a_batch_larger_than_the_data_is_the_data():
    assert sorted(step_users(3, 512, 7, seed=0)) == [0, 1, 2]


def test_steps_are_a_function_of_seed_and_step():
    assert list(step_users(100, 8, 5, seed=1)) == list(step_users(100, 8, 5, seed=1))
    assert list(step_users(100, 8, 5, seed=1)) != list(step_users(100, 8, 5, seed=2))


def test_truncation_draws_k_from_0_to_4_evenly():
    rng = np.random.default_rng(0)
    lengths = [len(truncated(list(range(10)), 4, rng)) for _ in range(5000)]
    assert set(lengths) == {6, 7, 8, 9, 10}
    assert all(900 < lengths.count(length) < 1100 for length in set(lengths))


@pytest.mark.parametrize(("length", "shortest"), [(2, 2), (3, 2), (4, 2), (6, 2), (7, 3)])
def test_truncation_is_even_over_what_leaves_a_target_and_one_history_item(length, shortest):
    rng = np.random.default_rng(0)
    lengths = [len(truncated(list(range(length)), 4, rng)) for _ in range(3000)]
    ways = length - shortest + 1
    assert set(lengths) == set(range(shortest, length + 1))
    assert all(abs(lengths.count(kept) - 3000 / ways) < 4 * (3000 / ways) ** 0.5 for kept in set(lengths))


def partitions(rows):
    """All ways to cut ``rows`` into pieces."""
    if not rows:
        yield []
        return
    first, *rest = rows
    for pieces in partitions(rest):
        yield [[first], *pieces]
        for place, piece in enumerate(pieces):
            yield [*pieces[:place], [first, *piece], *pieces[place + 1 :]]


def total_cost(lengths, pieces, max_tokens, cost):
    """Tokens with pads and ``cost`` a piece; infinite beyond ``max_tokens``."""
    sizes = [len(piece) * max(lengths[row] for row in piece) for piece in pieces]
    allowed = all(size <= max_tokens or len(piece) == 1 for size, piece in zip(sizes, pieces, strict=True))
    return sum(sizes) + cost * len(pieces) if allowed else float("inf")


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(40, 200), st.integers(0, 80))
def test_micro_batches_are_the_cheapest_of_all_cuts(lengths, max_tokens, cost):
    pieces = micro_batches(lengths, max_tokens, cost)
    rows = list(range(len(lengths)))
    assert sorted(row for piece in pieces for row in piece) == rows
    cheapest = min(total_cost(lengths, cut, max_tokens, cost) for cut in partitions(rows))
    assert total_cost(lengths, pieces, max_tokens, cost) == cheapest


def test_a_free_call_leaves_no_pads_and_a_dear_one_makes_one_piece():
    lengths = [7, 3, 7, 5, 3, 3]
    assert micro_batches(lengths, 100, 0) == [[0, 2], [3], [1, 4, 5]]
    assert micro_batches(lengths, 100, 50) == [[0, 2, 3, 1, 4, 5]]


def test_a_row_longer_than_the_limit_goes_alone():
    assert micro_batches([5, 50, 5], 20, 100) == [[1], [0, 2]]


def test_no_rows_make_no_pieces():
    assert micro_batches([], 20, 100) == []


def test_groups_by_first_fit_largest_last():
    assert fitting_groups([40, 100, 60, 30, 250], 130) == [[2, 0], [1, 3], [4]]  # 100, 130, 250: too long, alone
    assert fitting_groups([40, 60, 30], 130) == [[1, 0, 2]]
