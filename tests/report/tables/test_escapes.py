"""Texts in tables, tried where they are read: in LaTeX itself where there is one, in a Markdown reader's terms."""

import shutil
import subprocess

import pytest

from calrec_recbole.report.tables.cells import Cell, Number, TableRow
from calrec_recbole.report.tables.escapes import for_latex, for_markdown, one_line, without_html
from calrec_recbole.report.tables.text_tables import latex, markdown

HOSTILE = [
    r"100 % of \input{/etc/passwd} & a_b #1 $x$ {y} ~^",
    "−21.8 % ± 3, a–b—c … ≤ ≥ → ∞ × “q” ‘q’ \"q\" 'q' `q`",
    "[1] starts like an argument",
    "* starts like a star",
    "lone\rreturn \x85 and \u2028 and \x00 and\ttab\nline",
    "José Łódź Ångström ß œ ñ č",
    "中文 हिन्दी עברית 😀 Ελλάδα þ đ ą",
    r"\end{tabular}\write18{id}",
    "<script>alert(1)</script> | <b>x</b> &lt; [a](javascript:b) `c`",
    "?` !` -- --- << >> ,,",
]
METRICS = 4


def _table(labels):
    number = Number("−21.8 %", "best", ".0012")
    cells = [Cell(number, Number("–"))] * METRICS
    return [TableRow(label, cells, kind) for label in labels for kind in ("ours", "paper", "gain")]


def _tex():
    notes = {name: name for name in HOSTILE}
    return latex({name: _table(HOSTILE) for name in HOSTILE}, " ".join(HOSTILE), "\n".join(HOSTILE), notes)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_a_table_of_hostile_texts_compiles(tmp_path):
    """Without ``booktabs`` its rules are those of LaTeX itself."""
    rules = r"\let\toprule\hline\let\midrule\hline\let\bottomrule\hline"
    head = rf"\documentclass{{article}}\IfFileExists{{booktabs.sty}}{{\usepackage{{booktabs}}}}{{{rules}}}"
    document = f"{head}\n\\begin{{document}}\n{_tex()}\n\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000


def test_every_character_is_one_that_pdflatex_has_or_stands_in_the_other_branch():
    tex = _tex()
    lines = tex.split("\n")
    assert sum(line.startswith("%") for line in lines) == 1  # the command, whatever line breaks it held
    for line in lines[1:]:
        outside = "".join(part.partition("\\else")[2] or part for part in line.split("\\ifdefined\\Umathcode"))
        assert {character for character in outside if ord(character) > 0x17F} == set(), line
        assert not any(ord(character) < 32 for character in line), line
        assert "%" not in line.replace("\\%", ""), line
    assert tex.count("{") - tex.count("\\{") == tex.count("}") - tex.count("\\}")


def test_latex_by_hand():
    assert for_latex(r"a\b~^") == r"a\textbackslash{}b\textasciitilde{}\textasciicircum{}"
    assert for_latex("Łódź, 5 − 3") == "Łódź, 5 $-$ 3"
    assert for_latex("中文!") == r"\ifdefined\Umathcode 中文\else [U+4E2D U+6587]\fi{}!"


def test_markdown_has_a_row_a_line_and_no_html():
    text = markdown({name: _table(HOSTILE) for name in HOSTILE}, " ".join(HOSTILE), "\n".join(HOSTILE), HOSTILE)
    command = next(line for line in text.splitlines() if line.startswith("    "))  # a block of code
    assert "<" not in text.replace("<u>second</u>", "").replace(command, "")
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| -")]
    assert len(rows) == len(HOSTILE) * (1 + 3 * len(HOSTILE))
    for row in rows:
        assert row.replace("\\\\", "").replace("\\|", "").count("|") == METRICS + 2
    assert "](javascript" not in text.replace("\\](javascript", "").replace("[a](javascript:b)", "")  # notes are ours


def test_markdown_by_hand():
    assert for_markdown("a|b\\|c") == "a\\|b\\\\\\|c"
    assert for_markdown("<b>&amp; x & y") == "&lt;b&gt;&amp;amp; x & y"
    assert without_html("`a` <i>") == "`a` &lt;i&gt;"
    assert one_line("a\r\n\x0b\x1fb") == "a b"
