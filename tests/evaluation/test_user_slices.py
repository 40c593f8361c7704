import doctest

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation import user_slices as slices
from calrec_recbole.evaluation.user_slices import FREQUENCIES, LENGTHS, cold_start, intervals, repetition, slice_means
from calrec_recbole.evaluation.user_slices import tie_groups as tied


def test_docstring_examples():
    assert doctest.testmod(slices).failed == 0


def test_every_border_of_the_frequencies():
    numbers = [0, 1, 5, 6, 20, 21, 100, 101, 9999]
    found = intervals(numbers, FREQUENCIES, zero="unseen")
    assert list(found) == ["unseen", "1-5", "1-5", "6-20", "6-20", "21-100", "21-100", ">100", ">100"]
    assert list(found.categories) == ["unseen", "1-5", "6-20", "21-100", ">100"]


def test_a_number_below_the_first_interval_is_an_error():
    with pytest.raises(DataError, match="0 lies below the first interval, which begins at 1"):
        intervals([3, 0], LENGTHS)


def test_repetition_goes_by_the_last_item_first():
    found = repetition(["a", "a", "a"], ["a", "b", "b"], [True, True, False])
    assert list(found) == ["last item", "seen before", "new"]


def test_tie_groups_hold_the_target():
    assert list(tied([1, 4, 1, 1], [1, 5, 3, 5291])) == ["1", "2", "3-5", ">10"]


def test_cold_is_in_neither_part():
    assert cold_start([0, 0, 3], [0, 1, 0]).tolist() == [True, False, False]


def test_means_by_hand():
    vectors = pd.DataFrame({"mrr_opt": [1.0, 0.5, 0.0]}, index=["u1", "u2", "u3"])
    found = slice_means(intervals([0, 3, 4], FREQUENCIES, zero="unseen"), vectors)
    assert found["users"].tolist() == [1, 2, 0, 0, 0]
    assert found["mrr_opt"].tolist()[:2] == [1, 0.25]
    assert found["mrr_opt"][2:].isna().all()
    plain = slice_means(np.array([True, False, False]), vectors)
    assert plain.loc[False].tolist() == [2, 0.25]


def test_every_user_has_one_label():
    with pytest.raises(DataError, match="2 labels for 3 users"):
        slice_means([1, 2], pd.DataFrame({"mrr_opt": [1.0, 0.5, 0.0]}))
