"""Batches until the time is over, on a clock that the test turns."""

import pytest

from calrec_recbole.plugin.training import time_limit
from calrec_recbole.plugin.training.time_limit import Limited


@pytest.fixture
def work(monkeypatch):
    """Goes through batches that take the given seconds each (None: found on disk) -> how many were given out."""

    def through(seconds, minutes, rounds=None, any_says=lambda own: own, batches=None):
        now, done = [0.0], [0]
        monkeypatch.setattr(time_limit.time, "perf_counter", lambda: now[0])
        loader = list(range(len(seconds))) if batches is None else batches
        limited = Limited(loader, None, rounds or len(seconds), minutes, lambda: done[0], any_says)
        given = []
        for batch in limited:
            given.append(batch)
            now[0] += seconds[batch] or 5.0
            done[0] += seconds[batch] is not None
        return len(given)

    return through


def test_without_a_limit_all_are_given_out(work):
    assert work([60.0] * 4, 0) == 4


def test_none_is_begun_that_would_end_too_late(work):
    assert work([20.0] * 9, 1.0) == 3  # 20 + 20 + 20 fits into a minute
    assert work([21.0] * 9, 1.0) == 2
    assert work([10.0, 40.0, 1.0, 1.0], 1.0) == 2  # a third one like the second would end after 90 s


def test_at_least_one_is_given_out(work):
    assert work([600.0, 600.0], 0.01) == 1


def test_what_is_on_disk_takes_no_time_and_is_not_the_one(work):
    assert work([None, None, 50.0, 50.0, 50.0], 1.0) == 3
    assert work([None] * 20, 0.01) == 20


def test_all_processes_end_after_the_same_round(work):
    asked = []

    def another_ends_after(own):
        asked.append(own)
        return len(asked) > 3

    assert work([1.0] * 9, 1.0, any_says=another_ends_after) == 3
    assert asked == [False] * 4


def test_a_process_without_users_still_answers(work):
    asked = []
    assert work([1.0], 1.0, rounds=3, any_says=lambda own: asked.append(own) or False, batches=[]) == 0
    assert asked == [False] * 3
