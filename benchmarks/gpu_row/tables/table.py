"""One table beside the paper's, as text: a row a system, tests under each block."""

from collections.abc import Sequence

from calrec_recbole.report.rows import METRICS, Row
from calrec_recbole.report.statistics import compared
from calrec_recbole.report.tables.cells import TableRow
from calrec_recbole.report.tables.differences import differences
from calrec_recbole.report.tables.metric_tables import metric_table
from gpu_row.bench import Bench
from gpu_row.tables.blocks import Block, cost_of

__all__ = ["markdown"]

COLUMNS = (*(metric.title for metric in METRICS), "users", "training, min", "test, min", "device")


def markdown(block: Block, bench: Bench, tests: bool) -> list[str]:
    """A headed block in GitHub's Markdown, as paragraphs; ``tests``: with the paired tests, which take seconds."""
    found = block.shared(bench)
    lines = [_bar(["", *COLUMNS]), _bar(["-"] * (1 + len(COLUMNS)))]
    for row in metric_table(found.rows, block.paper(bench.dataset), block.whole):
        lines.append(_paper(row) if row.kind != "ours" else _own(row, block, bench))
    told = [f"{line.removesuffix('.')}." for line in (found.users_note, *found.notes) if line]
    compares = tests and len([row for row in found.rows if row.runs]) > 1
    below = _tests(found.rows, block.systems[0].label) if compares else []
    return [f"## {bench.dataset}, beside {block.title} of the paper", "\n".join(lines), *told, *below]


def _paper(row: TableRow) -> str:
    return _bar([f"*{row.label} (paper)*", *_cells(row), *[""] * (len(COLUMNS) - len(METRICS))])


def _own(row: TableRow, block: Block, bench: Bench) -> str:
    if row.error:
        return _bar([row.label, row.error.replace("|", "\\|"), *[""] * (len(COLUMNS) - 1)])
    cost = cost_of(bench, block.system(row.label))
    minutes = f"{cost.train_minutes:.1f}", f"{cost.test_minutes:.1f}"
    return _bar([row.label, *_cells(row), f"{cost.tested:,}", *minutes, cost.device])


def _cells(row: TableRow) -> list[str]:
    return ["/".join(number.text for number in cell.shown.values()) for cell in row.cells]


def _tests(rows: Sequence[Row], reference: str) -> list[str]:
    """Each row minus the reference; nothing where that is not there."""
    tests = differences(compared(rows, reference), reference)
    if not tests:
        return []
    lines = []
    for label, cells in tests.items():
        told = [
            f"{metric.title} {cell['expected'].value} ({cell['expected'].t_p}, {cell['expected'].permutation_p})"
            for metric, cell in zip(METRICS, cells, strict=True)
        ]
        lines.append(f"- {label}: {', '.join(told)}")
    head = (
        f"Minus {reference}, expected under random ties, with p of the paired t-test and of the permutation test, by "
        "Holm's correction over all rows and metrics of the block, the bounds too:"
    )
    return [head, "\n".join(lines)]


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
