"""The tables of a report: the metrics of a data set, their average over data sets, and those without the last item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calrec_recbole.report.rows import KEYS, METRICS, MetricName, Row
from calrec_recbole.report.tables.cells import ABSENT, Cell, Number, TableRow, marked_cells, paper_cells, view_cells
from calrec_recbole.report.tables.paper_rows import PaperRows
from calrec_recbole.report.tables.row_notes import STOPPED

__all__ = [
    "OURS",
    "Changes",
    "average_table",
    "change_table",
    "equivalent_table",
    "gain_note",
    "masked_table",
    "metric_table",
    "view_table",
]

OURS = "CALRec"
UNKNOWN = [ABSENT] * len(METRICS)
EXPECTED, MIDDLE = "the expected metric", "(optimistic + pessimistic) / 2"


@dataclass(frozen=True)
class Changes:
    """``rows`` in %, ``of`` what, and a ``note`` on rows of which it is of something else; no rows: no table."""

    rows: Sequence[TableRow] = ()
    of: str = EXPECTED
    note: str = ""


def metric_table(rows: Sequence[Row], paper: PaperRows, whole: bool) -> list[TableRow]:
    """Our rows of one data set, each followed by the paper's of the same system; with ``whole`` its others come last.

    Where CALRec stands once among baselines, a row says by how much it is better than the best of them (the paper's
    column "Improv.").
    """
    values = [{key: row.value(key) for key in KEYS} for row in rows]
    spreads = [{key: row.deviation(key) for key in KEYS} for row in rows]
    table: list[TableRow] = []
    used: set[str] = set()
    for row, cells in zip(rows, marked_cells(values, spreads), strict=True):
        table.append(TableRow(row.label, cells, error=row.error, mark=STOPPED if row.stopped else ""))
        beside = next((label for label in row.paper_labels if label in paper and label not in used), None)
        if beside is not None:
            used.add(beside)
            table.append(TableRow(beside, paper_cells(paper[beside]), "paper"))
    table += _gain(rows, values)
    others = [label for label in paper if whole and label not in used]
    return table + [TableRow(label, paper_cells(paper[label]), "paper") for label in others]


def average_table(rows: Sequence[Row], paper: PaperRows) -> list[TableRow]:
    """The mean over data sets, of the labels that have finished on all of them; empty with fewer than two.

    ``paper``: its rows of the average over its own data sets, which come last.
    """
    datasets = dict.fromkeys(row.dataset for row in rows)
    finished = {(row.dataset, row.label): row for row in rows if row.runs}
    labels = [
        label
        for label in dict.fromkeys(row.label for row in rows)
        if all((name, label) in finished for name in datasets)
    ]
    if len(datasets) < 2 or not labels:
        return []
    of_label = {label: [finished[name, label] for name in datasets] for label in labels}
    values = [{key: float(np.mean([row.value(key) for row in of_label[label]])) for key in KEYS} for label in labels]
    firsts = [of_label[label][0] for label in labels]
    ours = [TableRow(label, cells) for label, cells in zip(labels, marked_cells(values), strict=True)]
    theirs = [TableRow(label, paper_cells(cells), "paper") for label, cells in paper.items()]
    return ours + _gain(firsts, values) + theirs


def change_table(rows: Sequence[Row], reference: str) -> Changes:
    """By how many % the expected metric of each row lies above that of the row ``reference``.

    Of a row that has only bounds, or where the reference has no more, it is (optimistic + pessimistic) / 2, as in the
    paper's Table 8.
    """
    finished = {row.label: row for row in rows if row.runs}
    if reference not in finished:
        return Changes()
    base = finished.pop(reference)
    table, by_middle = [], []
    for label, row in finished.items():
        value: Callable[[Row, MetricName], float] = Row.expected
        if not all(np.isfinite(value(one, metric)) for one in (row, base) for metric in METRICS):
            value = _middle
            by_middle.append(label)
        table.append(TableRow(label, [_change(value(row, metric), value(base, metric)) for metric in METRICS], "gain"))
    if len(by_middle) == len(table):
        return Changes(table, MIDDLE)
    note = f"Of {MIDDLE} where only the bounds are known: {', '.join(by_middle)}." if by_middle else ""
    return Changes(table, EXPECTED, note)


def masked_table(rows: Sequence[Row]) -> tuple[list[TableRow], str]:
    """Metrics without the history's last item as a candidate, and a line on the users whose target it is.

    They have none. Empty where no run kept these ranks.
    """
    table, left_out = _viewed(rows, "masked")
    if not table:
        return [], ""
    verb = "user whose target is that item is" if left_out == 1 else "users whose target is that item are"
    return table, f"{left_out:,} {verb} left out." if left_out else "It is no user's target."


def equivalent_table(rows: Sequence[Row]) -> list[TableRow]:
    """Metrics where any item of the target's text is a hit. Empty where no run kept these ranks."""
    table, _ = _viewed(rows, "equivalent")
    return table


def view_table(table: Sequence[TableRow], masked: Sequence[TableRow], equivalent: Sequence[TableRow]) -> list[TableRow]:
    """The expected metrics of the rows of ours in ``table`` beside those of its other views.

    A row stands here where one of the other views was kept of it; a dash where the other was not. Empty where only
    bounds are known of a row, as in tables of before the expected metric.
    """
    views = [{row.label: row for row in own if row.kind == "ours"} for own in (table, masked, equivalent)]
    labels = [label for label in views[0] if any(label in own for own in views[1:])]
    if any(ABSENT in _expected(own[label]) for own in views for label in labels if label in own):
        return []
    texts = [[_expected(own[label]) if label in own else UNKNOWN for own in views] for label in labels]
    cells = view_cells([list(zip(*row, strict=True)) for row in texts])
    return [TableRow(label, own) for label, own in zip(labels, cells, strict=True)]


def _expected(row: TableRow) -> list[str]:
    """Its expected metrics as printed."""
    return [cell.expected for cell in row.cells if isinstance(cell, Cell)]


def _viewed(rows: Sequence[Row], view: str) -> tuple[list[TableRow], int]:
    """A table from another view of the ranks, and how many users it leaves out; of the rows that have it."""
    labels, values, left_out = [], [], 0
    for row in rows:
        kept = [run.views[view] for run in row.runs if view in run.views]
        if kept and len(kept) == len(row.runs):
            labels.append(row.label)
            values.append({key: float(np.mean([table[key].mean() for table in kept])) for key in KEYS})
            left_out = len(row.runs[0].ranks) - len(kept[0])
    return [TableRow(label, cells) for label, cells in zip(labels, marked_cells(values), strict=True)], left_out


def gain_note(rows: Sequence[Row]) -> str:
    """Names the rows that ``Improv.`` is over, by metric; empty where the table has no such row."""
    baselines = [row for row in rows if row.model != OURS and row.runs]
    if not _gain(rows, [{key: row.value(key) for key in KEYS} for row in rows]):
        return ""
    best: dict[str, list[str]] = {}
    for metric in METRICS:
        best.setdefault(max(baselines, key=lambda row: row.value(metric.opt)).label, []).append(metric.title)
    told = " and ".join(f"{label} ({', '.join(titles)})" for label, titles in best.items())
    return f"Improv. is over the best other row of each metric, both optimistic: {told}."


def _gain(rows: Sequence[Row], values: Sequence[Mapping[str, float]]) -> list[TableRow]:
    ours = [value for row, value in zip(rows, values, strict=True) if row.model == OURS]
    baselines = [value for row, value in zip(rows, values, strict=True) if row.model != OURS and row.runs]
    if len(ours) != 1 or not baselines or not np.isfinite(ours[0][METRICS[0].opt]):
        return []
    cells = [_change(ours[0][metric.opt], max(value[metric.opt] for value in baselines)) for metric in METRICS]
    return [TableRow(f"Improv. of {OURS} (optimistic)", cells, "gain")]


def _change(value: float, base: float) -> Cell:
    number = Number(f"{100 * (value / base - 1):+.1f} %".replace("-", "−") if base > 0 else ABSENT)
    return Cell(number, number)


def _middle(row: Row, metric: MetricName) -> float:
    return (row.value(metric.opt) + row.value(metric.pes)) / 2
