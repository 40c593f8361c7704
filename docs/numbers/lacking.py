"""Which rows of results/ lack ranks, the end of their log, their curve or commit, and what the manual says of it."""

from dataclasses import dataclass

from calrec_recbole.report.inputs.finished_runs import Run, read_run
from calrec_recbole.report.tables.cost_table import UNTRAINED
from docs.numbers import rows
from docs.numbers.pages import Page
from docs.numbers.rows import folders, results

__all__ = ["PAGE", "SECTION", "UNKNOWN", "Lacking", "commit_faults", "lacking", "lacking_faults", "ranks_line"]

UNKNOWN = ("ml-100k-tiger",)  # folders of runs whose commit nobody wrote down
PAGE, SECTION = "docs/results/index.md", "What is not kept"


@dataclass(frozen=True)
class Lacking:
    """Of a table's ``rows``, how many lack what; a row that was not trained needs no curve."""

    rows: int
    ranks: int
    log: int
    curve: int

    @property
    def cells(self) -> list[str]:
        return [str(number) for number in (self.rows, self.ranks, self.log, self.curve)]


def lacking(name: str) -> Lacking:
    """Of the table in ``results/<name>``."""
    found = results(name)
    runs = [run for row in found.rows for run in row.runs]
    ranked = [row for row in found.rows if (row.dataset, row.label) in found.vectors]
    return Lacking(
        len(found.rows),
        len(found.rows) - len(ranked),
        sum(not run.log_end for run in runs),
        sum(_trained(run) and not run.curve.steps for run in runs),
    )


def _trained(run: Run) -> bool:
    return not (run.model in UNTRAINED or run.config.get("train_steps") == 0 or run.environment.get("parameters") == 0)


def ranks_line() -> str:
    """Of how many rows metrics and p-values follow from ranks; of the others means and effect sizes are kept."""
    found = [lacking(name) for name in folders()]
    number = sum(one.rows for one in found)
    return f"rows of results/ with the ranks of every user: {number - sum(one.ranks for one in found)} of {number}"


def lacking_faults() -> list[str]:
    """Where the table of the manual differs: a row a folder that lacks something."""
    (table,) = Page(PAGE).tables(SECTION)
    told = {row[0][1].strip().strip("`"): [text.strip() for _, text in row[1:]] for row in table.rows[1:]}
    found = {name: lacking(name) for name in folders()}
    expected = {name: one.cells for name, one in found.items() if one.ranks or one.log or one.curve}
    line = Page(PAGE).line(table.rows[0][0][0])
    return [
        f"{PAGE}:{line}: `{name}` lacks {expected.get(name, 'nothing')}, the table says {told.get(name, 'nothing')}"
        for name in sorted({*told, *expected})
        if told.get(name) != expected.get(name)
    ]


def commit_faults() -> list[str]:
    """The kept rows and single runs without the commit of their code, those of ``UNKNOWN`` left out."""
    kept = [(name, run) for name in folders() for run in results(name).kept.runs.values()]
    alone = [(file.parent.name, read_run(file.parent)) for file in sorted(rows.RESULTS.glob("*/metrics.json"))]
    return [
        f"results/{name}: {run.model} of {run.folder} has no commit: enter it, or name the folder among the UNKNOWN"
        for name, run in kept + alone
        if not run.commit and name not in UNKNOWN
    ]
