from itertools import chain

import numpy as np
import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.training.mixture import Mixture


def test_shares_are_proportional_to_users_to_the_power():
    shares = Mixture([1024, 1], power=0.3).shares  # 1024^0.3 = 2^3 = 8
    assert shares == pytest.approx([8 / 9, 1 / 9])
    assert Mixture([30, 10], power=1.0).shares == pytest.approx([0.75, 0.25])
    assert Mixture([30, 10], power=0.0).shares == pytest.approx([0.5, 0.5])


def test_categories_are_drawn_at_their_shares():
    mixture = Mixture([1024, 100, 1024], power=0.3)
    drawn = np.concatenate([mixture.users(64, step, seed=1) for step in range(500)])
    found = np.bincount(np.searchsorted([1024, 1124, 2148], drawn, side="right"), minlength=3) / len(drawn)
    weights = np.array([8.0, 100**0.3, 8.0])
    assert found == pytest.approx(weights / weights.sum(), abs=0.01)  # standard deviation 0.003


def test_users_of_a_category_are_drawn_alike():
    mixture = Mixture([5, 20])
    drawn = np.concatenate([mixture.users(6, step, seed=0) for step in range(4000)])
    first = np.bincount(drawn[drawn < 5], minlength=5)
    assert first / first.sum() == pytest.approx(np.full(5, 0.2), abs=0.02)  # standard deviation 0.005
    assert set(drawn) == set(range(25))


def test_no_user_stands_twice_in_a_batch_that_its_category_can_fill():
    mixture = Mixture([64, 80])
    for step in range(200):
        users = mixture.users(48, step, seed=2)
        assert len(users) == len(set(users.tolist())) == 48


def test_a_small_category_is_gone_through_whole_before_a_user_comes_again():
    users = Mixture([3, 3], power=0.0).users(64, 0, seed=0)
    counts = np.bincount(users, minlength=6)
    assert counts.sum() == 64
    for own in (counts[:3], counts[3:]):
        assert own.max() - own.min() <= 1


def test_steps_are_a_function_of_seed_and_step():
    mixture = Mixture([50, 60])
    batches = [tuple(mixture.users(8, step, seed)) for step, seed in ((5, 1), (5, 1), (6, 1), (5, 2))]
    assert batches[0] == batches[1]
    assert len(set(batches)) == 3
    assert set(chain(*batches)) <= set(range(110))


@pytest.mark.parametrize("power", [-0.1, 1.5])
def test_the_power_lies_between_categories_alike_and_users_alike(power):
    with pytest.raises(ConfigError, match=f"mixture_power={power} must lie between"):
        Mixture([1, 2], power)
