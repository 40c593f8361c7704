"""All that a report says of one data set, as data: what the page, the tables and the plots are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from calrec_recbole.errors import CalrecError
from calrec_recbole.report.inputs.kept import Kept, KeptDataset
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.inputs.shared_users import Shared
from calrec_recbole.report.rows import Row
from calrec_recbole.report.slice_metrics import sliced
from calrec_recbole.report.statistics import compared, reference_of
from calrec_recbole.report.tables.cells import TableRow, spread_note, table_row
from calrec_recbole.report.tables.metric_tables import (
    Changes,
    change_table,
    equivalent_table,
    gain_note,
    masked_table,
    metric_table,
    view_table,
)
from calrec_recbole.report.tables.paper_rows import MAIN, PaperRows, paper_rows
from calrec_recbole.report.tables.row_notes import row_notes

__all__ = ["Section", "kept_section", "section_of"]

SEEN_AS = "with all items, without the history's last item as a candidate, with any item of the target's text as a hit"


@dataclass(frozen=True)
class Section:
    """``tests``: rows of ``evaluation.compare`` against ``reference`` (empty: no test).

    ``slices``: see ``report.slice_metrics``. ``changes``: against a reference asked for. ``masked``: the table without
    the last item, and its footnote. ``equivalent``: the one where any item of the target's text counts.
    ``notes``: what is left out, and why. ``users_note``: on which users.
    """

    dataset: str
    rows: Sequence[Row]
    table: Sequence[TableRow]
    paper: PaperRows
    tests: pd.DataFrame
    slices: pd.DataFrame
    changes: Changes = field(default_factory=Changes)
    masked: tuple[Sequence[TableRow], str] = ((), "")
    equivalent: Sequence[TableRow] = ()
    reference: str = ""
    notes: Sequence[str] = field(default_factory=list)
    users_note: str = ""

    @property
    def gain_note(self) -> str:
        return gain_note(self.rows)

    @property
    def row_notes(self) -> list[str]:
        """On how the training of its rows ended, and on the code that made them."""
        return row_notes(self.finished)

    @property
    def spread_note(self) -> str:
        return spread_note(self.table)

    @cached_property
    def views(self) -> list[TableRow]:
        """The expected metrics beside those of the other views; see ``view_table``."""
        return view_table(self.table, self.masked[0], self.equivalent)

    @property
    def views_note(self) -> str:
        """What the numbers of ``views`` are, the users that are left out, and the rows that are not there."""
        parts = [f"The expected metric three times: {SEEN_AS}."]
        told = self.masked[1]
        parts += [f"Without the last item: {told[0].lower()}{told[1:]}"] if told else []
        there = {row.label for row in self.views}
        labels = [row.label for row in self.finished if row.label not in there]
        parts += [f"No other ranks were kept of {', '.join(labels)}."] if labels else []
        return " ".join(parts)

    @property
    def finished(self) -> list[Row]:
        return [row for row in self.rows if row.runs]


def section_of(dataset: str, found: Shared, manifest: Manifest, facts: pd.DataFrame | None) -> Section:
    """``found`` are the rows of ``dataset``; ``facts`` what is known of its test users."""
    rows = found.rows
    paper = paper_rows(manifest.paper or MAIN, manifest.paper_datasets.get(dataset, dataset))
    reference = reference_of(rows, manifest.reference if _here(rows, manifest.reference) else "")
    tests, slices = pd.DataFrame(), pd.DataFrame()
    notes = list(found.notes)
    try:
        tests = compared(rows, reference)
    except CalrecError as problem:  # runs on other versions of the data: their means stand, tests would be wrong
        notes.append(f"No intervals and tests: {problem}.")
    try:
        slices = sliced(rows, facts)
    except CalrecError as problem:
        notes.append(f"No slices: {problem}.")
    label = reference if "difference" in tests else ""
    changes = change_table(rows, manifest.reference)
    table = metric_table(rows, paper, whole=manifest.paper > 0)
    views = masked_table(rows), equivalent_table(rows)
    return Section(dataset, rows, table, paper, tests, slices, changes, *views, label, notes, found.users_note)


def kept_section(dataset: str, rows: Sequence[Row], manifest: Manifest, kept: Kept) -> Section:
    """``section_of`` from what a results folder keeps: its tests and slices are read, not computed."""
    paper = paper_rows(manifest.paper or MAIN, manifest.paper_datasets.get(dataset, dataset))
    tests = kept.tests_of(dataset)
    reference = reference_of(rows, manifest.reference if _here(rows, manifest.reference) else "")
    told = kept.datasets.get(dataset, KeptDataset())
    return Section(
        dataset,
        rows,
        metric_table(rows, paper, whole=manifest.paper > 0),
        paper,
        tests,
        kept.slices_of(dataset),
        change_table(rows, manifest.reference),
        ([table_row(one) for one in told.masked], told.masked_note),
        [table_row(one) for one in told.equivalent],
        reference if "difference" in tests else "",
        told.notes,
        told.users_note,
    )


def _here(rows: Sequence[Row], label: str) -> bool:
    """A reference may be a row of other data sets only."""
    return any(row.label == label for row in rows)
