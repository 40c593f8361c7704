"""Which row the others are tested against, and what of the tests a reader sees."""

import pandas as pd
import pytest
import scipy.stats

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation.per_user import metric_vector, read_ranks
from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.statistics import compared, over_datasets, reference_of
from calrec_recbole.report.tables.differences import differences, p_value


@pytest.fixture
def rows(write_run):
    def make(*models, dataset="Tiny", **options):
        folders = [write_run(model, dataset=dataset, **options) for model in models]
        entries = [Entry(folder.parent.name, folder.parent.name, dataset, str(folder)) for folder in folders]
        return rows_of(Manifest("x", "X", entries=entries))

    return make


def test_the_best_baseline_is_the_reference(rows, write_run):
    found = rows("SASRec", "LIR") + rows("CALRec", ranks=[(1, 1)] * 4)
    assert reference_of(found, "") == "SASRec"  # the best pessimistic NDCG@10 but CALRec's
    assert reference_of(found, "LIR") == "LIR"
    assert reference_of(found[:1], "") == ""
    assert reference_of(found[2:] + found[:1], "") == "SASRec"
    with pytest.raises(DataError, match="did you mean 'LIR'"):
        reference_of(found, "LIRR")


def test_the_p_values_are_scipys_on_the_stored_ranks(rows):
    found = rows("SASRec", "LIR")
    tests = compared(found, "SASRec")
    line = tests[(tests["model"] == "LIR") & (tests["metric"] == "mrr_pes")].iloc[0]
    own, other = (metric_vector("mrr_pes", read_ranks(row.runs[0].folder)) for row in found)
    assert line["t_p"] == pytest.approx(scipy.stats.ttest_rel(own, other).pvalue)
    assert tests[tests["model"] == "SASRec"]["t_p"].isna().all()


def test_without_a_reference_there_are_intervals_alone(rows):
    found = rows("SASRec")
    assert "difference" not in compared(found, "")
    assert compared([], "").empty


def test_rows_on_other_users_are_not_tested(rows):
    with pytest.raises(DataError, match="differ in 2 users"):
        compared(rows("SASRec") + rows("CALRec", ranks=[(1, 1), (2, 2)]), "SASRec")


def test_seeds_are_averaged_user_by_user(write_run):
    folders = [write_run("SASRec", seed=seed, ranks=pairs) for seed, pairs in ((1, [(1, 1)] * 2), (2, [(2, 2)] * 2))]
    found = rows_of(Manifest("x", "X", entries=[Entry("a", "SASRec", "Tiny", str(folder)) for folder in folders]))
    tests = compared(found, "")
    line = tests[tests["metric"] == "mrr_opt"].iloc[0]
    assert (line["mean"], line["low"], line["high"], line["units"]) == (0.75, 0.75, 0.75, 2)


def of_seeds(write_run, model, *of_users):
    """A row of ``model`` with a run for each tuple of ranks without ties, of two users."""
    runs = [write_run(model, [(n, n) for n in own], seed=seed) for seed, own in enumerate(of_users)]
    return rows_of(Manifest("x", "X", entries=[Entry(model, model, "Tiny", str(folder)) for folder in runs]))


def test_the_test_of_the_seeds_is_welchs_of_their_means(write_run):
    """MRR of the seeds: SASRec 1, 3/4, 3/4; LIR 1/2, 3/8."""
    found = of_seeds(write_run, "SASRec", (1, 1), (1, 2), (2, 1)) + of_seeds(write_run, "LIR", (2, 2), (2, 4))
    tests = compared(found, "SASRec").set_index(["model", "metric"])["seeds_p"]
    welch = scipy.stats.ttest_ind([1 / 2, 3 / 8], [1, 3 / 4, 3 / 4], equal_var=False).pvalue
    assert tests["LIR", "mrr_exp"] == pytest.approx(welch)
    assert tests["SASRec"].isna().all()
    seen = differences(compared(found, "SASRec"), "SASRec")["LIR"][3]["expected"]
    assert seen.seeds_p == p_value(welch)


def test_one_seed_has_no_test_of_seeds(write_run):
    found = of_seeds(write_run, "SASRec", (1, 1), (1, 2)) + of_seeds(write_run, "LIR", (2, 2))
    assert "seeds_p" not in compared(found, "SASRec")


def test_units_are_users_or_data_sets(rows):
    found = rows("SASRec", "LIR", dataset="A") + rows("SASRec", "LIR", dataset="B")
    tests = over_datasets(found, "SASRec")
    assert {unit: set(table["units"]) for unit, table in tests.items()} == {"users": {8}, "data sets": {2}}
    assert over_datasets(found[:2], "SASRec") == {}


def test_readers_see_the_model_minus_the_reference():
    row = {
        "model": "LIR", "difference": 0.0117, "difference_low": 0.0086, "difference_high": 0.0149,
        "t_p_holm": 0.0004, "permutation_p_holm": 0.0016, "cohens_d": 0.076,
    }  # fmt: skip
    metrics = ["ndcg_opt@10", "ndcg_pes@10", "recall_opt@1", "recall_pes@1", "recall_opt@10", "recall_pes@10"]
    lines = [row | {"metric": metric} for metric in [*metrics, "mrr_opt"]]
    lines += [row | {"metric": "mrr_pes", "permutation_p_holm": 0.06}]
    found = differences(pd.DataFrame(lines), "SASRec")["LIR"]
    first, last = found[0]["optimistic"], found[3]["pessimistic"]
    assert (first.value, first.interval) == ("−.0117", "−.0149 to −.0086")
    assert (first.t_p, first.permutation_p, first.effect) == ("< .001", ".002", "-.08")
    assert first.verdict == "worse"
    assert last.verdict == ""  # one of the two tests does not say so


def test_p_values_are_rounded_for_readers():
    assert [p_value(value) for value in (0.0009, 0.001, 0.05, 1.0)] == ["< .001", ".001", ".050", "1.000"]
