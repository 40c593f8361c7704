"""Every number of a report is over the users that all rows share."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from calrec_recbole.report import Entry, Manifest, write_report
from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.inputs.shared_users import shared
from calrec_recbole.report.inputs.user_facts import facts_file, write_facts
from calrec_recbole.report.rows import KEYS, rows_of
from calrec_recbole.report.statistics import compared
from calrec_recbole.report.tables.metric_tables import change_table, masked_table, metric_table


def rows(*folders):
    entries = [Entry(folder.parent.name, folder.parent.name, "Tiny", str(folder)) for folder in folders]
    return rows_of(Manifest("x", "X", entries=entries))


@pytest.fixture
def three(write_run):
    """SASRec and LIR of u1 to u4; CALRec of u1 to u3: SASRec (1, 1), (2, 2), (20, 20); LIR (1, 2), (1, 2), (11, 30)."""
    return [write_run("SASRec"), write_run("LIR"), write_run("CALRec", ranks=[(1, 1), (2, 2), (4, 5)])]


def change_environment(folder, **changes):
    file = folder / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_means_are_over_the_shared_users_by_hand(three):
    found = shared(rows(*three))
    assert (found.users, found.in_all, found.notes) == (3, 4, [])
    assert found.users_note == "3 of 4 test users, those that all rows share"
    sasrec, lir, calrec = found.rows
    assert sasrec.value("mrr_opt") == pytest.approx((1 + 1 / 2 + 1 / 20) / 3)
    assert lir.value("mrr_pes") == pytest.approx((1 / 2 + 1 / 2 + 1 / 30) / 3)
    assert lir.value("recall_opt@1") == pytest.approx(2 / 3)
    assert calrec.value("ndcg_pes@10") == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(6)) / 3)


def test_rows_that_share_all_users_keep_their_numbers_to_the_bit(three):
    before = rows(*three[:2])
    found = shared(before)
    assert found.users_note == "4 test users"
    for old, new in zip(before, found.rows, strict=True):
        assert [new.value(key) for key in KEYS] == [old.value(key) for key in KEYS]
        assert new.runs[0] is old.runs[0]


def test_the_number_of_all_users_is_what_a_run_knows(three):
    change_environment(three[2], users={"valid": 3, "test": 3, "test_in_all": 9471})
    assert shared(rows(*three)).users_note == "3 of 9,471 test users, those that all rows share"
    assert shared(rows(three[2])).users_note == "3 of 9,471 test users"


def test_differences_intervals_and_tests_are_over_the_same_users(three):
    tests = compared(shared(rows(*three)).rows, "SASRec").set_index(["model", "metric"])
    assert set(tests["units"]) == {3}
    ours, theirs = np.array([1, 1 / 2, 1 / 5]), np.array([1, 1 / 2, 1 / 20])
    line = tests.loc[("CALRec", "mrr_pes")]
    assert line["difference"] == pytest.approx((theirs - ours).mean())
    assert line["t_p"] == pytest.approx(scipy.stats.ttest_rel(theirs, ours).pvalue)
    assert tests.loc[("SASRec", "mrr_pes"), "mean"] == pytest.approx(theirs.mean())


def test_seeds_of_a_row_share_users_too(write_run):
    first = write_run("SASRec", seed=1, ranks=[(1, 1), (2, 2), (4, 4)])
    second = write_run("SASRec", seed=2, ranks=[(1, 1), (1, 1)])
    (row,) = shared(rows(first, second)).rows
    assert row.value("mrr_opt") == ((1 + 1 / 2) / 2 + 1) / 2


def test_tables_of_changes_and_without_the_last_item_follow(three):
    for folder in three:
        ranks = pd.read_parquet(folder / "ranks.parquet")
        best = [1, None, 10, 1][: len(ranks)]
        ranks = ranks.assign(optimistic_masked=best, pessimistic_masked=ranks["pessimistic"].clip(lower=10))
        ranks.loc[1, "pessimistic_masked"] = None
        ranks.to_parquet(folder / "ranks.parquet")
    found = shared(rows(*three)).rows
    table, note = masked_table(found)
    assert table[0].cells[1].opt.text == ".5000"  # Recall@1 of u1 and u3: u4 is not among them
    assert note.startswith("1 user ")
    (change, _) = change_table(found, "SASRec").rows  # LIR, Recall@1: (1/2 + 1/2 + 0) / 3 against 1/3
    assert change.cells[1].opt.text == "+0.0 %"
    assert [row.label for row in metric_table(found, {}, whole=True)][:3] == ["SASRec", "LIR", "CALRec"]


def test_a_run_without_ranks_is_left_out_and_the_command_is_named(three, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sampled = three[2]
    (sampled / "ranks.parquet").unlink()
    (sampled / "metrics.json").write_text(json.dumps({"valid": {"nats_per_item": 31.5}, "test": {}}))
    (three[1] / "ranks.parquet").unlink()
    found = shared(rows(*three))
    assert [row.label for row in found.rows] == ["SASRec"]
    assert found.users_note == "4 test users"
    assert found.notes == [
        "LIR is left out: runs/Tiny/LIR/1-ab holds no ranks.parquet; run it again.",
        "CALRec is left out: its run has samples and no ranks; calrec rank --run=runs/Tiny/CALRec/1-ab makes them.",
    ]


@pytest.mark.parametrize("how", ["data", "targets"])
def test_runs_on_other_data_stay_as_they_are(three, write_run, how):
    other = write_run("Pop", ranks=[(1, 1), (3, 3)], targets="ab" if how == "data" else "ax")
    if how == "data":
        change_environment(other, data_sha256={"inter": "another"})
    found = shared(rows(*three[:2], other))
    assert found.users_note == ""
    assert [row.value("mrr_opt") for row in found.rows][2] == pytest.approx((1 + 1 / 3) / 2)
    assert found.rows[0].value("mrr_opt") == pytest.approx((1 + 1 / 2 + 1 / 20 + 1 / 3) / 4)


def test_a_whole_report_says_on_how_many_users_it_is(three, tmp_path, monkeypatch):
    monkeypatch.setattr("calrec_recbole.report.plots.all_plots.draw_plots", lambda *_: [])
    facts = {
        "target": list("abcd"), "last_item": list("xbxx"), "history_length": [3, 4, 5, 30],
        "seen_before": [False, True] * 2, "training_count": [0, 2, 7, 200], "validation_count": [0, 0, 1, 1],
    }  # fmt: skip
    out = tmp_path / "out"
    users = pd.Index([f"u{number}" for number in range(1, 5)], name="user_id")
    write_facts(pd.DataFrame(facts, index=users), facts_file(out, read_run(three[0])))
    entries = [Entry(folder.parent.name, folder.parent.name, "Tiny", str(folder)) for folder in three]
    write_report(Manifest("x", "X", entries=entries), out)
    told = "3 of 4 test users, those that all rows share"
    assert told in (out / "table.md").read_text()
    assert told in (out / "table.tex").read_text()
    page = (out / "report.html").read_text()
    assert f"{told}; all items are candidates" in page
    frame = pd.read_csv(out / "results.csv").set_index("label")
    assert frame["users"].tolist() == [3, 3, 3]
    assert frame.loc["SASRec", "mrr_opt"] == pytest.approx((1 + 1 / 2 + 1 / 20) / 3)
    slices = pd.read_csv(out / "slices.csv")
    history = slices[(slices["by"] == "history length") & (slices["label"] == "SASRec")]
    assert history["users"].sum() == 3  # u4 alone has the longest
    assert set(pd.read_csv(out / "tests.csv")["units"]) == {3}
