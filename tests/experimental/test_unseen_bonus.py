"""The bonus for unseen items by hand; tests/plugin/reranking runs it."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.experimental.unseen_bonus import UnseenBonus, fair_bonus, unseen_items


def test_items_of_no_training_row_are_unseen():
    assert unseen_items([[0, 2], [2]], 4).tolist() == [False, True, False, True]
    assert unseen_items([], 2).all()


def test_the_fair_bonus_keeps_its_share_of_the_metric_and_finds_most():
    values, found = {0.0: 0.50, 0.1: 0.49, 0.2: 0.46, 0.3: 0.44}, {0.0: 1, 0.1: 3, 0.2: 3, 0.3: 9}
    assert fair_bonus(values, found, 0.0) == 0.0  # nothing may be lost
    assert fair_bonus(values, found, 0.1) == 0.1  # 0.45 and more: equal counts, the smaller one
    assert fair_bonus(values, found, 0.2) == 0.3  # 0.40 and more


@pytest.mark.parametrize("bonus", [0, 1, 0.3, "auto"])
def test_shares_and_auto_are_taken(bonus):
    UnseenBonus(bonus).check("texts")


@pytest.mark.parametrize(
    ("wanted", "rerank_by", "named"),
    [
        ((1.1,), "texts", "rerank_unseen=1.1"),
        (("atuo",), "texts", "rerank_unseen='atuo'"),
        ((0.3, 1), "texts", "rerank_unseen_loss=1"),
        ((0.3,), "logprob", "set rerank_by=texts"),
    ],
)
def test_anything_else_is_refused(wanted, rerank_by, named):
    with pytest.raises(ConfigError, match=named):
        UnseenBonus(*wanted).check(rerank_by)
