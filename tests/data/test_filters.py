"""Which users remain."""

import numpy as np
import pandas as pd

from calrec_recbole.data import drop_short_users, sample_users


def events(users):
    return pd.DataFrame({"user_id": users, "item_id": range(len(users))})


def test_short_users_go_and_order_stays():
    found = drop_short_users(events([2, 1, 2, 1, 1, 0]), 2)
    assert found["item_id"].tolist() == [0, 1, 2, 3, 4]
    assert drop_short_users(events([0, 1]), 2).empty


def test_the_sample_does_not_depend_on_the_order_of_the_file():
    names = [f"user{n}" for n in range(100)]
    first = sample_users(events(list(range(100))), names, 0.2, seed=1)
    again = sample_users(events(list(range(100))), names[::-1], 0.2, seed=1)
    chosen = {names[code] for code in first["user_id"]}
    assert len(chosen) == 20
    assert chosen == {names[::-1][code] for code in again["user_id"]}
    assert chosen != {names[code] for code in sample_users(events(list(range(100))), names, 0.2, seed=2)["user_id"]}


def test_all_events_of_a_sampled_user_stay():
    users = np.repeat(np.arange(10), 3)
    found = sample_users(events(users), [str(n) for n in range(10)], 0.5, seed=0)
    assert found["user_id"].value_counts().tolist() == [3] * 5


def test_fraction_one_keeps_everyone():
    assert len(sample_users(events([0, 1, 1]), ["a", "b"], 1.0, seed=0)) == 3
