"""table.md and table.tex: best bold, second underlined, optimistic / expected / pessimistic where they differ."""

from collections.abc import Callable, Mapping, Sequence

from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.cells import Cell, Number, TableRow, ViewCell, spread_note
from calrec_recbole.report.tables.escapes import for_latex, for_markdown, one_line, without_html

__all__ = ["latex", "markdown"]

Tables = Mapping[str, Sequence[TableRow]]  # by data set


def markdown(
    tables: Tables, title: str, command: str, notes: Sequence[str], below: Mapping[str, Sequence[str]] | None = None
) -> str:
    """GitHub's Markdown; the paper's rows are in italics and say so. ``below``: lines below the table of a data set."""
    parts = [f"# {for_markdown(title)}"]
    parts += [f"    {one_line(command)}"] if command else []
    parts += [without_html(one_line(note)) for note in notes]
    for dataset, rows in tables.items():
        parts.append(f"## {for_markdown(dataset)}")
        parts.append("\n".join([_bar(["", *_titles()]), _bar(["-"] * (1 + len(METRICS))), *map(_markdown_row, rows)]))
        parts += [without_html(one_line(line)) for line in (below or {}).get(dataset, [])]
    foot = [
        "Optimistic/expected/pessimistic where they differ (old rows and the paper's: without the expected one).",
        "**Best** and <u>second</u> of ours; the paper's rows do not count.",
        spread_note([row for rows in tables.values() for row in rows]),
    ]
    parts.append(" ".join(filter(None, foot)))
    return "\n\n".join(parts) + "\n"


def _markdown_row(row: TableRow) -> str:
    label = for_markdown(row.label) + row.mark
    if row.error and row.empty:
        return _bar([label, "failed: " + for_markdown(row.error), *[""] * (len(row.cells) - 1)])
    return _bar(
        [f"*{label} (paper)*" if row.kind == "paper" else label, *(_cell(cell, _markdown_number) for cell in row.cells)]
    )


def _markdown_number(number: Number) -> str:
    text = for_markdown(number.text + (f"±{number.spread}" if number.spread else ""))
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(number.mark, text)


def latex(tables: Tables, title: str, command: str, users_notes: Mapping[str, str] | None = None) -> str:
    """A table environment that needs the package booktabs. ``users_notes``: by data set, on which users."""
    columns = "l" * 1 + "c" * len(METRICS)
    spread = f". {for_latex(note)}" if (note := spread_note([row for rows in tables.values() for row in rows])) else "."
    lines = [
        *(["% " + one_line(command)] if command else []),
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{for_latex(title)}. Optimistic/expected/pessimistic where they differ; bold: best, "
        f"underlined: second{spread}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(["", *_titles()]) + r" \\",
    ]
    for dataset, rows in tables.items():
        users = f", {for_latex(users_notes[dataset])}" if users_notes and users_notes.get(dataset) else ""
        lines += [r"\midrule", rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{for_latex(dataset)}}}{users}}} \\"]
        lines += [_latex_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _latex_row(row: TableRow) -> str:
    label = rf"\quad {for_latex(row.label)} (paper)" if row.kind == "paper" else for_latex(row.label + row.mark)
    return " & ".join([label, *(_cell(cell, _latex_number) for cell in row.cells)]) + r" \\"


def _latex_number(number: Number) -> str:
    text = for_latex(number.text + (f"±{number.spread}" if number.spread else ""))
    return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(number.mark, text)


def _cell(cell: Cell | ViewCell, number: Callable[[Number], str]) -> str:
    return "/".join(map(number, cell.shown.values()))


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _titles() -> list[str]:
    return [metric.title for metric in METRICS]
