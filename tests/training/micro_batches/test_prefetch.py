"""The next batch is made while the present one is used."""

from threading import current_thread, main_thread

import pytest

from calrec_recbole.training.micro_batches.prefetch import Prefetch


def test_each_step_is_made_once_and_the_next_ones_in_a_thread():
    made = []

    def make(step):
        made.append((step, current_thread() is main_thread()))
        return 10 * step

    with Prefetch(make) as batches:
        assert [batches.get(step) for step in (3, 4, 5)] == [30, 40, 50]
    assert made[0] == (3, True)
    assert dict(made[1:]) == {step: False for step in range(4, 4 + len(made) - 1)}
    assert len(made) == len(dict(made))


def test_another_step_than_the_next_is_made_anew():
    with Prefetch(lambda step: step) as batches:
        assert [batches.get(step) for step in (0, 7, 2)] == [0, 7, 2]


def test_what_was_forgotten_is_made_again():
    size = 4
    with Prefetch(lambda step: (step, size)) as batches:
        batches.get(0)
        batches._next[1].result()
        size = 2
        batches.forget()
        assert batches.get(1) == (1, 2)


def test_an_error_of_the_thread_comes_where_its_step_is_asked_for():
    with Prefetch(lambda step: 1 // (1 - step)) as batches:
        assert batches.get(0) == 1
        with pytest.raises(ZeroDivisionError):
            batches.get(1)
