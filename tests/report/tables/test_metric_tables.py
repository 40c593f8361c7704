"""What is printed, what is bold, and what the paper's rows do."""

import math

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.tables.metric_tables import (
    average_table,
    change_table,
    equivalent_table,
    gain_note,
    masked_table,
    metric_table,
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


def test_the_change_is_of_the_mean_of_both_cases(write_run):
    found = rows(write_run("SASRec"), write_run("LIR"))
    (row,) = change_table(found, "SASRec")
    # Recall@1: (3/4 + 0) / 2 against 1/4; MRR: (3 + 1/11 + 1/2 + 1/2 + 1/30 + 1/4) / 2 against 1 + 1/2 + 1/20 + 1/3
    assert (row.label, row.cells[1].opt.text) == ("LIR", "+50.0 %")
    mrr = (3 + 1 / 11 + 1 / 2 + 1 / 2 + 1 / 30 + 1 / 4) / 2 / (1 + 1 / 2 + 1 / 20 + 1 / 3)
    assert row.cells[3].pes.text == f"+{100 * (mrr - 1):.1f} %"
    assert change_table(found, "nobody") == []


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
    import pandas as pd

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
