"""The tree of errors, and the hint at the nearest name."""

import pytest

from calrec_recbole import errors
from calrec_recbole.errors import CalrecError, did_you_mean


def test_every_error_is_one_that_a_user_can_mend():
    kinds = [getattr(errors, name) for name in errors.__all__ if name != "did_you_mean"]
    assert len(kinds) == 6
    assert all(issubclass(kind, CalrecError) and issubclass(kind, ValueError) for kind in kinds)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("learning_rat", "; did you mean 'learning_rate'?"),
        ("SASREC", "; did you mean 'SASRec'?"),  # case does not count
        ("zzzzzz", ""),
    ],
)
def test_the_nearest_name_is_told(name, hint):
    assert did_you_mean(name, ["SASRec", "learning_rate"]) == hint


def test_without_names_there_is_no_hint():
    assert did_you_mean("anything", []) == ""
