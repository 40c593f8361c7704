import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.training.batches import micro_batches, padding_share, step_users, truncated


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
def test_truncation_leaves_a_target_and_one_history_item(length, shortest):
    rng = np.random.default_rng(0)
    assert min(len(truncated(list(range(length)), 4, rng)) for _ in range(300)) == shortest


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(60, 200), st.floats(0.05, 0.5))
def test_micro_batches_keep_all_rows_within_the_limits(lengths, max_tokens, max_padding):
    pieces = micro_batches(lengths, max_tokens, max_padding)
    assert sorted(row for piece in pieces for row in piece) == list(range(len(lengths)))
    for piece in pieces:
        longest = max(lengths[row] for row in piece)
        assert longest * len(piece) <= max_tokens
        assert sum(longest - lengths[row] for row in piece) <= max_padding * longest * len(piece) + 1e-9
    assert padding_share(lengths, pieces) <= max_padding + 1e-9


def test_a_row_longer_than_the_limit_goes_alone():
    assert micro_batches([5, 50, 5], 20, 0.5) == [[1], [0, 2]]


def test_padding_share_by_hand():
    assert padding_share([4, 2, 3], [[0, 1], [2]]) == pytest.approx(2 / 11)
