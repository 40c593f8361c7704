"""What is printed, what is bold, and what the paper's rows do."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import Row, rows_of
from calrec_recbole.report.tables.metric_tables import (
    average_table,
    change_table,
    equivalent_table,
    gain_note,
    masked_table,
    metric_table,
    view_table,
)
from calrec_recbole.report.tables.text_tables import markdown


def rows(*folders, labels=None):
    names = labels or [folder.parent.name for folder in folders]
    entries = [
        Entry(name, folder.parent.name, folder.parent.parent.name, str(folder))
        for name, folder in zip(names, folders, strict=True)
    ]
    return rows_of(Manifest("x", "X", entries=entries))


def test_seeds_are_one_row_with_mean_and_deviation(write_run):
    first = write_run("SASRec", seed=1, ranks=[(1, 1), (2, 2)])
    second = write_run("SASRec", seed=2, ranks=[(1, 1), (1, 1)])
    (row,) = rows(first, second)
    assert row.value("recall_opt@1") == (1 / 2 + 1) / 2
    assert row.deviation("recall_opt@1") == pytest.approx(math.sqrt(2 * 0.25**2 / 1))
    number = metric_table([row], {}, whole=True)[0].cells[1].opt
    assert (number.text, number.spread) == (".7500", ".3536")


def test_the_gain_is_over_the_best_baseline_of_each_metric(write_run):
    ours = write_run("CALRec", ranks=[(1, 1), (1, 1), (1, 1), (2, 2)])
    table = metric_table(rows(write_run("SASRec"), write_run("LIR"), ours), {}, whole=True)
    assert table[-1].kind == "gain"
    # Recall@1: CALRec 3/4, SASRec 1/4, LIR 3/4 (optimistic); MRR: 3.5/4 against LIR's (3 + 1/11)/4
    assert table[-1].cells[1].opt.text == "+0.0 %"
    assert table[-1].cells[3].opt.text == f"+{100 * (3.5 / (3 + 1 / 11) - 1):.1f} %"


def test_the_rows_behind_the_gain_are_named(write_run):
    ours = write_run("CALRec", ranks=[(1, 1), (1, 1), (1, 1), (2, 2)])
    found = rows(write_run("SASRec"), write_run("LIR"), ours)
    # optimistic: LIR is ahead in NDCG@10, Recall@1 and MRR; in Recall@10 both have 3 of 4, and the first is named
    assert gain_note(found).endswith("both optimistic: LIR (NDCG@10, Recall@1, MRR) and SASRec (Recall@10).")
    assert gain_note(found[:2]) == gain_note(found[2:]) == ""


def test_the_gain_is_what_the_paper_calls_so():
    """Improv. of its Table 2, Scientific: of the optimistic numbers, as printed; the pessimistic give another one."""
    best, calrec = {"ndcg_opt@10": 0.0644, "ndcg_pes@10": 0.0644}, {"ndcg_opt@10": 0.0788, "ndcg_pes@10": 0.0740}
    found = [bounds("UniSRecID", best), bounds("CALRec", calrec)]
    assert metric_table(found, {}, whole=True)[-1].cells[0].opt.text == "+22.4 %"  # .0740 / .0644 would be +14.9 %


def test_the_change_is_of_the_expected_metric(write_run):
    found = rows(write_run("SASRec"), write_run("LIR"))
    changes = change_table(found, "SASRec")
    (row,) = changes.rows
    # Recall@1: (1/2 + 1/2 + 0 + 1/4) / 4 against 1/4; of the middle of its bounds, 3/4 and 0, it would be +50 %
    assert (row.label, row.cells[1].opt.text) == ("LIR", "+25.0 %")
    tied = sum(1 / place for place in range(11, 31)) / 20
    mrr = (3 / 4 + 3 / 4 + tied + (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4) / (1 + 1 / 2 + 1 / 20 + 1 / 3)
    assert row.cells[3].pes.text == f"{100 * (mrr - 1):+.1f} %"
    assert (changes.of, changes.note) == ("the expected metric", "")
    assert change_table(found, "nobody").rows == ()


def bounds(label, test):
    """A row of a run with these numbers alone."""
    everywhere = {}
    for name in ("ndcg_CASE@10", "recall_CASE@1", "recall_CASE@10", "mrr_CASE"):
        everywhere |= {
            name.replace("CASE", case): test.get(f"ndcg_{case}@10", math.nan) for case in ("opt", "exp", "pes")
        }
    return Row(label, label, "Tiny", [SimpleNamespace(test=everywhere, stopped=False)])


def test_where_only_bounds_are_known_the_change_is_of_their_middle_and_that_is_told():
    old = bounds("old", {"ndcg_opt@10": 0.3, "ndcg_pes@10": 0.1})
    level = bounds("level", {"ndcg_opt@10": 0.4, "ndcg_pes@10": 0.4})  # no tie: expected too
    new = bounds("new", {"ndcg_opt@10": 0.9, "ndcg_exp@10": 0.6, "ndcg_pes@10": 0.1})
    changes = change_table([old, new, level], "level")
    assert [row.cells[0].opt.text for row in changes.rows] == ["−50.0 %", "+50.0 %"]  # (.3 + .1) / 2, .6 against .4
    assert changes.of == "the expected metric"
    assert changes.note == "Of (optimistic + pessimistic) / 2 where only the bounds are known: old."
    changes = change_table([old, new, level], "old")
    assert [row.cells[0].opt.text for row in changes.rows] == ["+150.0 %", "+100.0 %"]  # (.9 + .1) / 2, .4 against .2
    assert (changes.of, changes.note) == ("(optimistic + pessimistic) / 2", "")


def test_the_views_stand_beside_each_other(write_run):
    folders = [write_run(model) for model in ("SASRec", "LIR")] + [write_run("Pop", [(1, 2)] * 4)]
    ranks = [pd.read_parquet(folder / "ranks.parquet") for folder in folders]
    masked = {"optimistic_masked": [1, None, 10, 1], "pessimistic_masked": [1, None, 29, 3]}
    equivalent = {"optimistic_equivalent": [1, 1, 8, 1], "pessimistic_equivalent": [1, 1, 8, 2]}
    ranks[1].assign(**masked, **equivalent).to_parquet(folders[1] / "ranks.parquet")
    ranks[0].assign(optimistic_masked=[1, 1, 19, 3], pessimistic_masked=[1, 1, 19, 3]).to_parquet(
        folders[0] / "ranks.parquet"
    )
    found = rows(*folders)
    sasrec, lir = view_table(metric_table(found, {}, whole=True), masked_table(found)[0], equivalent_table(found))
    # Recall@1: of 1, 2, 20, 3 and 1, 1, 19, 3; of the ties (1, 2), (1, 2), (11, 30), (1, 4), of 1, (10, 29), (1, 3) and
    # of 1, 1, 8, (1, 2). Pop has no other view.
    assert (sasrec.label, [one.text for one in sasrec.cells[1].shown.values()]) == ("SASRec", [".2500", ".5000", "–"])
    expected = [(1 / 2 + 1 / 2 + 1 / 4) / 4, (1 + 1 / 3) / 3, (1 + 1 + 1 / 2) / 4]
    assert [one.text for one in lir.cells[1].shown.values()] == [f"{value:.4f}"[1:] for value in expected]
    recall = [3 / 4, (1 + 1 / 20 + 1) / 3, 1]
    assert [float(one.text) for one in lir.cells[2].shown.values()] == pytest.approx(recall, abs=5e-5)
    assert [one.mark for one in lir.cells[1].shown.values()] == ["best", "second", ""]
    assert view_table(metric_table(found[2:], {}, whole=True), [], []) == []


def test_a_table_of_before_the_expected_metric_has_no_table_of_views():
    row = bounds("old", {"ndcg_opt@10": 0.3, "ndcg_pes@10": 0.1})
    level = bounds("level", {"ndcg_opt@10": 0.4, "ndcg_pes@10": 0.4})
    table = metric_table([row, level], {}, whole=True)
    assert view_table(table, table, []) == view_table(table, table[:1], []) == []
    (found,) = view_table(table, table[1:], [])
    assert [one.text for one in found.cells[0].shown.values()] == [".4000", ".4000", "–"]  # no tie: expected too


def test_the_average_is_over_data_sets_of_labels_that_have_finished_on_all(write_run):
    found = rows(
        write_run("SASRec", dataset="A", ranks=[(1, 1)]),
        write_run("LIR", dataset="A", ranks=[(1, 2)]),
        write_run("SASRec", dataset="B", ranks=[(2, 2)]),
    )
    (row,) = average_table(found, {})
    assert row.label == "SASRec"
    assert row.cells[3].opt.text == ".7500"  # MRR: (1 + 1/2) / 2
    assert average_table(found[:2], {}) == []


def test_without_the_last_item(write_run):
    folder = write_run("LIR")
    assert masked_table(rows(folder)) == ([], "")  # a run of before these ranks were kept
    ranks = pd.read_parquet(folder / "ranks.parquet")
    ranks = ranks.assign(optimistic_masked=[1, None, 10, 1], pessimistic_masked=[1, None, 29, 3])
    ranks.to_parquet(folder / "ranks.parquet")
    table, note = masked_table(rows(folder))
    assert note.startswith("1 user whose target is that item is")
    assert table[0].cells[1].opt.text == ".6667"  # Recall@1 of u1, u3, u4
    assert table[0].cells[1].pes.text == ".3333"


def test_a_failed_row_says_why():
    found = rows_of(Manifest("x", "X", entries=[Entry("a|b", "LIR", "T", "", error="it | broke")]))
    text = markdown({"T": metric_table(found, {}, whole=True)}, "X", "", [])
    assert r"| a\|b | failed: it \| broke |  |  |  |" in text


def test_any_item_of_the_text_counts_where_these_ranks_were_kept(write_run):
    folders = write_run("SASRec"), write_run("LIR")
    ranks = pd.read_parquet(folders[1] / "ranks.parquet")
    ranks["optimistic_equivalent"], ranks["pessimistic_equivalent"] = [1, 1, 8, 1], [1, 1, 8, 2]
    ranks.to_parquet(folders[1] / "ranks.parquet")
    (row,) = equivalent_table(rows(*folders))
    assert row.label == "LIR"
    assert [one.text for one in row.cells[1].shown.values()] == [".7500", ".6250", ".5000"]  # Recall@1
    assert [one.text for one in row.cells[2].shown.values()] == ["1.0000"]
