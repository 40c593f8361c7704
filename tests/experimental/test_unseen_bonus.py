"""The bonus for unseen items by hand; tests/plugin/reranking runs it."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.experimental.unseen_bonus import check_unseen_bonus, fair_bonus, unseen_items

ALLOWED = {"rerank_unseen": 0.3, "rerank_unseen_loss": 0.02, "rerank_by": "texts"}


def test_items_of_no_training_row_are_unseen():
    assert unseen_items([[0, 2], [2]], 4).tolist() == [False, True, False, True]
    assert unseen_items([], 2).all()


def test_the_fair_bonus_keeps_its_share_of_the_metric_and_finds_most():
    values, found = {0.0: 0.50, 0.1: 0.49, 0.2: 0.46, 0.3: 0.44}, {0.0: 1, 0.1: 3, 0.2: 3, 0.3: 9}
    assert fair_bonus(values, found, 0.0) == 0.0  # nothing may be lost
    assert fair_bonus(values, found, 0.1) == 0.1  # 0.45 and more: equal counts, the smaller one
    assert fair_bonus(values, found, 0.2) == 0.3  # 0.40 and more


@pytest.mark.parametrize("bonus", [0, 1, 0.3, "0.3", "auto"])
def test_shares_and_auto_are_taken(bonus):
    check_unseen_bonus(ALLOWED | {"rerank_unseen": bonus})


@pytest.mark.parametrize(
    "change",
    [{"rerank_unseen": 1.1}, {"rerank_unseen": "atuo"}, {"rerank_unseen_loss": 1}, {"rerank_by": "logprob"}],
)
def test_anything_else_is_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change)) if "rerank_by" not in change else "rerank_by=texts"):
        check_unseen_bonus(ALLOWED | change)
