import numpy as np
import pandas as pd
import pytest
import scipy.stats

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation.paired_comparison import category_means, compare, holm_by_case, user_vectors

METRICS = ["recall_opt@1", "mrr_pes"]


def ranks_of(optimistic, pessimistic, users="abcdef"):
    columns = {"item_id": [f"i{user}" for user in users], "optimistic": optimistic, "pessimistic": pessimistic}
    return pd.DataFrame(columns, index=pd.Index(list(users), name="user_id"))


@pytest.fixture
def vectors():
    ours = ranks_of([1, 1, 2, 1, 9, 1], [1, 2, 2, 1, 9, 3])
    other = ranks_of([1, 3, 2, 2, 9, 4], [1, 3, 4, 2, 9, 4])
    return user_vectors({"Ours": ours, "Other": other, "Same": ours}, METRICS)


def row(table, model, metric):
    return table.set_index(["model", "metric"]).loc[(model, metric)]


def test_means_and_differences_by_hand(vectors):
    table = compare(vectors, "Ours", resamples=200)
    assert len(table) == 3 * 2
    found = row(table, "Other", "recall_opt@1")
    assert (found["mean"], found["units"]) == (pytest.approx(1 / 6), 6)
    assert found["difference"] == pytest.approx(4 / 6 - 1 / 6)
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["difference_low"] <= found["difference"] <= found["difference_high"]


def test_p_values_are_scipys_on_the_vectors(vectors):
    table = compare(vectors, "Ours", resamples=200)
    for metric in METRICS:
        pair = vectors["Ours"][metric], vectors["Other"][metric]
        assert row(table, "Other", metric)["t_p"] == pytest.approx(scipy.stats.ttest_rel(*pair).pvalue, rel=1e-12)
        # 2^6 swaps of 6 users are all tried
        exact = scipy.stats.permutation_test(
            pair, lambda x, y: np.mean(x - y), permutation_type="samples", vectorized=False
        ).pvalue
        assert row(table, "Other", metric)["permutation_p"] == pytest.approx(exact, rel=1e-12)


def test_holm_runs_over_the_models_and_metrics_of_one_case(vectors):
    """Two models: the optimistic metric is a family of two tests, the pessimistic one another; Same has p = 1."""
    table = compare(vectors, "Ours", resamples=200)
    for metric in METRICS:
        found = row(table, "Other", metric)
        assert found["t_p_holm"] == pytest.approx(min(2 * found["t_p"], 1))
        assert found["permutation_p_holm"] == pytest.approx(min(2 * found["permutation_p"], 1))
    assert row(table, "Same", "mrr_pes")[["t_p", "t_p_holm", "permutation_p", "cohens_d"]].tolist() == [1, 1, 1, 0]


def test_holm_within_each_case_by_hand():
    """Of m tests the i-th smallest p times m - i + 1, never below the one before: written out for each family."""
    p = {"ndcg_exp@10": [0.03, 0.02, 0.5], "ndcg_pes@10": [0.001, 0.9, 0.04]}
    names = [name for name, own in p.items() for _ in own]
    found = holm_by_case([one for own in p.values() for one in own], names)
    assert found == pytest.approx([0.06, 0.06, 0.5, 0.003, 0.9, 0.08])
    assert holm_by_case([0.03, 0.02], ["seconds", "tokens"]) == pytest.approx([0.04, 0.04])  # names of others: a family


def test_the_reference_has_no_test(vectors):
    table = compare(vectors, "Ours", resamples=50)
    assert row(table, "Ours", "mrr_pes")[["difference", "t_p", "cohens_d"]].isna().all()
    alone = compare({"Ours": vectors["Ours"]}, "Ours", resamples=50)
    assert list(alone) == ["model", "metric", "units", "mean", "low", "high"]


def test_the_unit_may_be_the_data_set(vectors):
    second = {model: frame * 0.5 for model, frame in vectors.items()}
    means = category_means({"One": vectors, "Two": second})
    assert list(means) == ["Ours", "Other", "Same"]
    assert means["Other"]["recall_opt@1"].to_dict() == {"One": pytest.approx(1 / 6), "Two": pytest.approx(1 / 12)}
    table = compare(means, "Ours", resamples=50)
    assert set(table["units"]) == {2}
    assert row(table, "Other", "recall_opt@1")["difference"] == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_data_sets_with_other_models_are_refused(vectors):
    with pytest.raises(DataError, match="Two has runs of"):
        category_means({"One": vectors, "Two": {"Ours": vectors["Ours"]}})


def test_what_cannot_be_compared_is_named(vectors):
    with pytest.raises(ConfigError, match=r"reference='Our' is not among the models .* did you mean 'Ours'"):
        compare(vectors, "Our")
    with pytest.raises(DataError, match="align the runs first"):
        compare({**vectors, "Other": vectors["Other"].iloc[::-1]}, "Ours")
