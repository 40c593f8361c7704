"""What is printed, what is bold, and what the paper's rows do."""

import math

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import KEYS, METRICS, rows_of
from calrec_recbole.report.tables.cells import marked_cells, paper_cells, printed
from calrec_recbole.report.tables.metric_tables import average_table, change_table, masked_table, metric_table
from calrec_recbole.report.tables.paper_rows import paper_rows, system_of
from calrec_recbole.report.tables.text_tables import escaped, latex, markdown


def rows(*folders, labels=None):
    names = labels or [folder.parent.name for folder in folders]
    entries = [
        Entry(name, folder.parent.name, folder.parent.parent.name, str(folder))
        for name, folder in zip(names, folders, strict=True)
    ]
    return rows_of(Manifest("x", "X", entries=entries))


def values(optimistic, pessimistic):
    return dict.fromkeys([metric.opt for metric in METRICS], optimistic) | dict.fromkeys(
        [metric.pes for metric in METRICS], pessimistic
    )


def test_best_and_second_are_found_in_each_case_alone():
    table = marked_cells([values(0.5, 0.1), values(0.4, 0.4), values(0.4, 0.3)])
    assert [cells[0].opt.mark for cells in table] == ["best", "second", "second"]
    assert [cells[0].pes.mark for cells in table] == ["", "best", "second"]
    assert [cells[0].alike for cells in table] == [False, False, False]  # the same digits under other marks stay two


def test_equal_digits_share_a_mark():
    table = marked_cells([values(0.50001, 0.1), values(0.50002, 0.1), values(0.2, 0.1)])
    assert [cells[0].opt.mark for cells in table] == ["best", "best", "second"]
    assert {cells[0].pes.mark for cells in table} == {""}


def test_a_number_that_is_not_there_is_a_dash():
    cells = marked_cells([{}, values(0.5, 0.4), values(0.3, 0.2)])
    assert cells[0][0].opt.text == printed(math.nan) == "–"
    assert cells[1][0].opt.mark == "best"


def test_seeds_are_one_row_with_mean_and_deviation(write_run):
    first = write_run("SASRec", seed=1, ranks=[(1, 1), (2, 2)])
    second = write_run("SASRec", seed=2, ranks=[(1, 1), (1, 1)])
    (row,) = rows(first, second)
    assert row.value("recall_opt@1") == (1 / 2 + 1) / 2
    assert row.deviation("recall_opt@1") == pytest.approx(math.sqrt(2 * 0.25**2 / 1))
    number = metric_table([row], {}, whole=True)[0].cells[1].opt
    assert (number.text, number.spread) == (".7500", ".3536")


def test_the_papers_rows_stand_under_ours_and_count_for_nothing(write_run):
    paper = paper_rows(2, "Scientific")
    table = metric_table(rows(write_run("SASRec"), write_run("LIR")), paper, whole=False)
    assert [(row.label, row.kind) for row in table] == [
        *(("SASRec", "ours"), ("SASRec", "paper"), ("LIR", "ours"), ("LIR", "paper"))
    ]
    assert table[3].cells[0].opt.text == ".0565"  # paper, Table 2
    assert table[3].cells[0].pes.text == ".0486"
    assert {number.mark for cell in table[3].cells for number in (cell.opt, cell.pes)} == {""}
    whole = metric_table(rows(write_run("LIR", name="2")), paper, whole=True)
    assert next(row.label for row in whole if row.kind == "paper") == "LIR"
    assert len(whole) == 1 + 9


def test_ours_by_the_papers_names():
    assert [system_of(name) for name in ("UniSRecID", "BERT4RecFull", "Recformer", "Pop")] == [
        *("UniSRec (ID+text)", "BERT4Rec", "RecFormer", "Pop")
    ]
    assert paper_rows(1, "Scientific") == {}
    assert math.isnan(paper_rows(7, "Scientific")["LIR w/ dedup"]["MRR"][1])  # Table 7 prints one case
    assert paper_cells({})[0].opt.text == "–"


def test_the_gain_is_over_the_best_baseline_of_each_metric(write_run):
    ours = write_run("CALRec", ranks=[(1, 1), (1, 1), (1, 1), (2, 2)])
    table = metric_table(rows(write_run("SASRec"), write_run("LIR"), ours), {}, whole=True)
    assert table[-1].kind == "gain"
    # Recall@1: CALRec 3/4, SASRec 1/4, LIR 3/4 (optimistic); MRR: 3.5/4 against LIR's (3 + 1/11)/4
    assert table[-1].cells[1].opt.text == "+0.0 %"
    assert table[-1].cells[3].opt.text == f"+{100 * (3.5 / (3 + 1 / 11) - 1):.1f} %"


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
    assert note.startswith("1 users")
    assert table[0].cells[1].opt.text == ".6667"  # Recall@1 of u1, u3, u4
    assert table[0].cells[1].pes.text == ".3333"


def test_a_failed_row_says_why():
    found = rows_of(Manifest("x", "X", entries=[Entry("a|b", "LIR", "T", "", error="it | broke")]))
    text = markdown({"T": metric_table(found, {}, whole=True)}, "X", "", [])
    assert r"| a\|b | failed: it \| broke |  |  |  |" in text


def test_markdown_and_latex_mark_best_and_second(write_run):
    table = {"A_1": metric_table(rows(write_run("SASRec"), write_run("LIR")), {}, whole=True)}
    # NDCG@10: SASRec (1 + .63093 + 0 + .5) / 4, LIR (3 + 0) / 4 and (2 * .63093 + 0 + .43068) / 4
    text = markdown(table, "T", "calrec compare", ["A note."])
    assert "| SASRec | <u>.5327</u>/**.5327** |" in text
    assert "| LIR | **.7500**/<u>.4231</u> |" in text
    assert "    calrec compare\n\nA note." in text
    tex = latex(table, "50% of it", "calrec compare")
    assert r"\underline{.5327}/\textbf{.5327}" in tex
    assert r"\textit{A\_1}" in tex
    assert r"\caption{50\% of it." in tex
    assert tex.count("{") == tex.count("}")
    assert escaped(r"a\b~^") == r"a\textbackslash{}b\textasciitilde{}\textasciicircum{}"


def test_all_metrics_are_keys():
    assert len(KEYS) == 8
