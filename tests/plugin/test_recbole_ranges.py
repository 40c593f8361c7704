from math import inf, nan

import pytest

from calrec_recbole.plugin.recbole_ranges import numbers_outside


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("epochs", 1.5, "epochs=1.5 must be a whole number"),
        ("epochs", True, "epochs=True must be a whole number"),
        ("dropout_prob", 1, "dropout_prob=1 must be below 1"),
        ("train_neg_sample_args", {"alpha": nan}, "must hold finite numbers only"),
        ("fc_channels", [1, [2, [-inf]]], "must hold finite numbers only"),
        ("anything", 2**60, "must hold finite numbers only, up to"),
    ],
)
def test_a_number_of_recboles_is_named(key, value, told):
    (fault,) = numbers_outside({key: value}, ())
    assert told in fault


def test_texts_lists_and_what_a_group_owns_pass():
    settings = {"epochs": 3, "dropout_prob": 0, "loss_type": "CE", "x": None, "y": [1, "a"], "seed": 2**60, "z": False}
    assert list(numbers_outside(settings, {"seed"})) == []
