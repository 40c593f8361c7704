"""Two stages' scores as one, by hand."""

import numpy as np
import pytest

from calrec_recbole.reranking.mixing import WEIGHTS, Parts


def parts(unseen):
    """One user, three items, of which the last is no candidate."""
    return Parts(
        first=np.array([[5.0, 4.0, 1.0]]),
        chosen=np.array([[True, True, False]]),
        own=np.array([[0.0, 1.0, -np.inf]]),
        others=np.array([[1.0, 0.0, -np.inf]]),
        unseen=np.array(unseen),
    )


@pytest.mark.parametrize(("weight", "best"), [(0.0, 1), (0.4, 1), (0.6, 0), (1.0, 0)])
def test_the_weight_is_that_of_the_first_stage(weight, best):
    scores = parts([False] * 3).mixed(weight)
    assert scores.argmax() == best
    assert scores.argmin() == 2  # who is no candidate stands behind all that are
    # one item scores 1 - weight, the other weight
    assert abs(scores[0, 0] - scores[0, 1]) == pytest.approx(abs(2 * weight - 1))


def test_a_bonus_lifts_unseen_items_alone():
    plain, lifted = (parts([True, False, False]).mixed(0.4, bonus) for bonus in (0.0, 0.5))
    assert lifted[0, 0] - plain[0, 0] == pytest.approx(0.5)
    assert lifted[0, 1] == pytest.approx(plain[0, 1])
    assert lifted.argmax() == 0


def test_weights_are_tenths():
    assert WEIGHTS[0] == 0
    assert WEIGHTS[-1] == 1
    assert len(WEIGHTS) == 11
