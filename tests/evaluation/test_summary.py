import pytest
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation import metric_names, parse_metric, summary, tie_summary


def test_default_names_in_their_order():
    assert metric_names() == [
        *("ndcg_opt@10", "ndcg_exp@10", "ndcg_pes@10"),
        *("recall_opt@1", "recall_opt@10", "recall_exp@1", "recall_exp@10", "recall_pes@1", "recall_pes@10"),
        *("mrr_opt", "mrr_exp", "mrr_pes"),
    ]


def test_ndcg_at_1_stands_alone_only():
    names = [f"ndcg_{case}@{k}" for case in ("opt", "exp", "pes") for k in (1, 5)]
    assert metric_names(["ndcg"], [1, 5]) == names


def test_means_by_hand():
    optimistic, pessimistic = torch.tensor([1, 2, 20]), torch.tensor([1, 4, 20])
    found = summary(optimistic, pessimistic)
    assert found["recall_opt@1"] == found["recall_pes@1"] == pytest.approx(1 / 3)
    assert found["recall_opt@10"] == found["recall_pes@10"] == pytest.approx(2 / 3)
    assert found["mrr_opt"] == pytest.approx((1 + 1 / 2 + 1 / 20) / 3)
    assert found["mrr_exp"] == pytest.approx((1 + (1 / 2 + 1 / 3 + 1 / 4) / 3 + 1 / 20) / 3)
    assert found["mrr_pes"] == pytest.approx((1 + 1 / 4 + 1 / 20) / 3)
    assert found["ndcg_pes@10"] == pytest.approx((1 + 0.43067655807339306) / 3)  # 1 / log2(5)


@pytest.mark.parametrize(
    ("name", "parts"),
    [("ndcg_pes@10", ("ndcg", "pes", 10)), ("mrr_opt", ("mrr", "opt", None)), ("mrr_opt@5", ("mrr", "opt", 5))],
)
def test_parse(name, parts):
    assert parse_metric(name) == parts


@pytest.mark.parametrize("name", ["NDCG@10", "ndcg_pes", "ndcg@10", "recall_opt@0", "gini_opt@10", ""])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ConfigError, match="write ndcg, recall, mrr, hit, precision, map"):
        parse_metric(name)


def test_the_nearest_name_is_given():
    with pytest.raises(ConfigError, match="did you mean 'ndcg_pes@10'"):
        parse_metric("ndcg_pess@10")


def test_no_user_is_an_error():
    with pytest.raises(DataError, match="no user"):
        summary(torch.empty(0).long(), torch.empty(0).long())


def test_ties_are_counted():
    found = tie_summary(torch.tensor([1, 3, 5]), torch.tensor([1, 4, 8]))
    assert found == {"tied": pytest.approx(2 / 3), "tied_items": 3}
    assert tie_summary(torch.tensor([2]), torch.tensor([2])) == {"tied": 0, "tied_items": 1}
