"""Tables as Markdown and LaTeX."""

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.tables.metric_tables import metric_table
from calrec_recbole.report.tables.text_tables import latex, markdown


def rows(*folders, labels=None):
    names = labels or [folder.parent.name for folder in folders]
    entries = [
        Entry(name, folder.parent.name, folder.parent.parent.name, str(folder))
        for name, folder in zip(names, folders, strict=True)
    ]
    return rows_of(Manifest("x", "X", entries=entries))


def test_markdown_and_latex_mark_best_and_second(write_run):
    table = {"A_1": metric_table(rows(write_run("SASRec"), write_run("LIR")), {}, whole=True)}
    # NDCG@10: SASRec (1 + .63093 + 0 + .5) / 4, LIR (3 + 0) / 4 and (2 * .63093 + 0 + .43068) / 4; between them, over
    # all places of the ties, (2 * (1 + .63093) / 2 + 0 + (1 + .63093 + .5 + .43068) / 4) / 4
    text = markdown(table, "T", "calrec compare", ["A note."])
    assert "| SASRec | <u>.5327</u>/<u>.5327</u>/**.5327** |" in text
    assert "| LIR | **.7500**/**.5678**/<u>.4231</u> |" in text
    assert "    calrec compare\n\nA note." in text
    tex = latex(table, "50% of it", "calrec compare")
    assert r"\underline{.5327}/\underline{.5327}/\textbf{.5327}" in tex
    assert r"\textit{A\_1}" in tex
    assert r"\caption{50\% of it." in tex
    assert tex.count("{") == tex.count("}")
