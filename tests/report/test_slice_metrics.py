"""Metrics by slice of the test users, by hand."""

import math

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.slice_metrics import HIGH, LOW, sliced


@pytest.fixture
def rows(write_run):
    return rows_of(Manifest("all", "All", entries=[Entry("LIR", "LIR", "Tiny", str(write_run("LIR")))]))


def test_nobody_is_sliced_of_whom_nothing_is_known(rows):
    assert sliced(rows, None).empty


def test_the_mean_of_a_slice_is_over_its_users(rows, facts):
    found = sliced(rows, facts)
    by = found[found["by"] == "target's training events"].set_index("slice")
    assert by["users"].to_dict() == {"unseen": 1, "1-5": 3}
    # pessimistic ranks of LIR: u1 2, u2 2, u3 30, u4 4; u1's target is unseen
    assert by.loc["unseen", "mrr_pes"] == pytest.approx(1 / 2)
    assert by.loc["1-5", "mrr_pes"] == pytest.approx((1 / 2 + 1 / 30 + 1 / 4) / 3)


def test_the_interval_of_a_slice_is_the_bootstraps(rows, facts):
    by = sliced(rows, facts)
    by = by[by["by"] == "target's training events"].set_index("slice")
    one = by.loc["unseen"]
    assert one[LOW] == one[HIGH] == one["ndcg_pes@10"]  # of one user every resample is the same
    # pessimistic ranks 2, 30, 4: NDCG@10 1/log2(3), 0, 1/log2(5); of 27 resamples one holds the first alone, one the 0
    three = by.loc["1-5"]
    assert three[LOW] == 0
    assert three[HIGH] == pytest.approx(1 / math.log2(3))


def test_a_row_of_two_seeds_has_one_interval_of_the_mean_of_both(write_run, facts):
    """The unseen target's user has rank 1 with one seed and 2 with the other: each resample holds both."""
    folders = [write_run("LIR", [(first, first), (1, 1), (2, 2), (3, 3)], seed=first) for first in (1, 2)]
    entries = [Entry("LIR", "LIR", "Tiny", str(folder)) for folder in folders]
    by = sliced(rows_of(Manifest("all", "All", entries=entries)), facts)
    by = by[by["by"] == "target's training events"].set_index("slice")
    one, three = by.loc["unseen"], by.loc["1-5"]
    assert (one["users"], three["users"]) == (1, 3)
    mean = (1 + 1 / math.log2(3)) / 2
    assert one["ndcg_exp@10"] == one["ndcg_exp@10_low"] == one["ndcg_exp@10_high"] == pytest.approx(mean)
    assert (three["mrr_exp_low"], three["mrr_exp_high"]) == (pytest.approx(1 / 3), pytest.approx(1))


def test_a_user_counts_once_a_seed_where_seeds_differ_in_the_slice(write_run, facts):
    """u1 ties with one item under seed 1 and with none under seed 2; u2 to u4 tie with none."""
    pairs = {1: [(1, 2), (2, 2), (2, 2), (2, 2)], 2: [(1, 1), (2, 2), (2, 2), (2, 2)]}
    entries = [Entry("LIR", "LIR", "Tiny", str(write_run("LIR", own, seed=seed))) for seed, own in pairs.items()]
    found = sliced(rows_of(Manifest("all", "All", entries=entries)), facts)
    by = found[found["by"] == "items of the target's score"].set_index("slice")
    assert by.loc["1", "mrr_opt"] == pytest.approx((1 + 6 / 2) / 7)
    assert by.loc["2", ["mrr_opt", "mrr_exp", "mrr_pes"]].tolist() == pytest.approx([1, 0.75, 0.5])


@pytest.fixture
def facts():
    columns = {"target": list("abcd"), "last_item": list("bbbb"), "seen_before": False, "history_length": 3}
    columns |= {"training_count": [0, 2, 1, 5], "validation_count": 0}
    return pd.DataFrame(columns, index=pd.Index(["u1", "u2", "u3", "u4"], name="user_id"))
