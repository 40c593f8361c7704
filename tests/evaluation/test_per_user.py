import math

import pandas as pd
import pytest

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation.per_user import align, metric_vector, metric_vectors, read_ranks, without_last_item

ROWS = {
    "user_id": ["u2", "u1", "u3"],
    "item_id": ["a", "b", "c"],
    "optimistic": [1, 2, 20],
    "pessimistic": [1, 7, 20],
    "optimistic_masked": [1, None, 19],
    "pessimistic_masked": [1, None, 19],
}


def table(**changes):
    return pd.DataFrame({**ROWS, **changes})


@pytest.fixture
def ranks(tmp_path):
    table().to_parquet(tmp_path / "ranks.parquet")
    return read_ranks(tmp_path)


def test_users_come_sorted_from_the_folder_or_the_file(ranks, tmp_path):
    assert list(ranks.index) == ["u1", "u2", "u3"]
    assert list(ranks["item_id"]) == ["b", "a", "c"]
    pd.testing.assert_frame_equal(read_ranks(tmp_path / "ranks.parquet"), ranks)


def test_vectors_by_hand(ranks):
    assert metric_vector("ndcg_opt@10", ranks).tolist() == [1 / math.log2(3), 1, 0]
    assert metric_vector("ndcg_pes@10", ranks).tolist() == [1 / math.log2(8), 1, 0]
    assert metric_vector("recall_pes@1", ranks).tolist() == [0, 1, 0]
    assert metric_vector("mrr_opt", ranks).tolist() == [1 / 2, 1, 1 / 20]


def test_the_mean_of_both_cases_is_taken_user_by_user(ranks):
    assert metric_vector("mrr_mean", ranks).tolist() == pytest.approx([(1 / 2 + 1 / 7) / 2, 1, 1 / 20])
    assert metric_vector("recall_mean@5", ranks).tolist() == [1 / 2, 1, 0]


def test_a_frame_holds_a_column_a_metric(ranks):
    found = metric_vectors(ranks, ["recall_opt@1", "mrr_pes"])
    assert found.loc["u1"].to_dict() == {"recall_opt@1": 0, "mrr_pes": pytest.approx(1 / 7)}
    assert list(metric_vectors(ranks))[:2] == ["ndcg_opt@10", "ndcg_exp@10"]


@pytest.mark.parametrize("name", ["ndcg_mean", "ndcg_mid@10", "auc_mean@10"])
def test_an_unknown_metric_is_named(name, ranks):
    with pytest.raises(ConfigError, match="write ndcg, recall, mrr, hit, precision, map"):
        metric_vector(name, ranks)


def test_users_without_a_masked_rank_are_left_out(ranks):
    found = without_last_item(ranks)
    assert list(found.index) == ["u2", "u3"]
    assert metric_vector("mrr_pes", found).tolist() == [1, 1 / 19]


def test_old_ranks_have_no_masked_ones(ranks):
    with pytest.raises(DataError, match="run the model again"):
        without_last_item(ranks.drop(columns="optimistic_masked"))


def test_alignment_follows_the_first_run(ranks):
    shuffled = ranks.iloc[[2, 0, 1]]
    aligned = align({"A": ranks, "B": shuffled})
    assert list(aligned) == ["A", "B"]
    pd.testing.assert_frame_equal(aligned["B"], ranks)


def test_other_users_are_refused(ranks):
    with pytest.raises(DataError, match="A and B differ in 1 users"):
        align({"A": ranks, "B": ranks.drop(index="u1")})


def test_other_targets_are_refused(ranks):
    with pytest.raises(DataError, match="differ in the target of 1 users, such as 'u2'"):
        align({"A": ranks, "B": ranks.assign(item_id=["b", "x", "c"])})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user_id": ["u1", "u1", "u3"]}, "'u1' twice"),
        ({"optimistic": [0, 2, 20]}, "'u2' are not 1 <= optimistic <= pessimistic"),
        ({"pessimistic": [1, 7, 19]}, "'u3' are not 1 <= optimistic <= pessimistic"),
    ],
)
def test_ranks_that_cannot_be(changes, message, tmp_path):
    table(**changes).to_parquet(tmp_path / "ranks.parquet")
    with pytest.raises(DataError, match=message):
        read_ranks(tmp_path)


def test_a_file_without_its_columns_and_a_folder_without_its_file(tmp_path):
    with pytest.raises(DataError, match="has not finished"):
        read_ranks(tmp_path)
    table().drop(columns="item_id").to_parquet(tmp_path / "ranks.parquet")
    with pytest.raises(DataError, match=r"lacks the column\(s\) item_id"):
        read_ranks(tmp_path)
