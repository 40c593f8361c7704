"""The paper's rows among ours."""

import math

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.tables.cells import paper_cells
from calrec_recbole.report.tables.metric_tables import metric_table
from calrec_recbole.report.tables.paper_rows import paper_rows, system_of


def rows(*folders, labels=None):
    names = labels or [folder.parent.name for folder in folders]
    entries = [
        Entry(name, folder.parent.name, folder.parent.parent.name, str(folder))
        for name, folder in zip(names, folders, strict=True)
    ]
    return rows_of(Manifest("x", "X", entries=entries))


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
