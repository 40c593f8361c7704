"""All that a report says, of every data set: from the run folders, or from what a results folder keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from calrec_recbole.errors import DataError
from calrec_recbole.report.dataset_section import Section, kept_section, section_of
from calrec_recbole.report.inputs.kept import Kept
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.inputs.shared_users import shared
from calrec_recbole.report.inputs.user_facts import read_facts
from calrec_recbole.report.page import Overall
from calrec_recbole.report.rows import Row, rows_of
from calrec_recbole.report.statistics import over_datasets, reference_of
from calrec_recbole.report.tables.cells import TableRow
from calrec_recbole.report.tables.dataset_table import DataColumn, data_table
from calrec_recbole.report.tables.metric_tables import average_table
from calrec_recbole.report.tables.paper_rows import AVERAGE, paper_rows

__all__ = ["Contents", "from_kept", "from_runs"]


@dataclass(frozen=True)
class Contents:
    """``rows`` of all data sets, a section for each, what is said over all of them, and the data sets' statistics.

    ``facts``: what is known of the test users, by data set; none of a data set where nobody has written them.
    """

    rows: Sequence[Row]
    sections: Sequence[Section]
    overall: Overall
    data: Sequence[DataColumn]
    facts: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def from_runs(manifest: Manifest, out: Path) -> Contents:
    """Computed from the run folders; what is known of the test users lies in ``out``."""
    found = rows_of(manifest)
    of_dataset = {name: shared([row for row in found if row.dataset == name]) for name in _datasets(found)}
    rows = [row for own in of_dataset.values() for row in own.rows]
    read = {name: _facts(out, own.rows) for name, own in of_dataset.items()}
    sections = [section_of(name, own, manifest, read[name]) for name, own in of_dataset.items()]
    reference = reference_of(rows, manifest.reference)
    overall = Overall(_average(manifest, rows), over_datasets(rows, reference), reference, _unfinished(rows))
    facts = {name: known for name, known in read.items() if known is not None}
    return Contents(rows, sections, overall, data_table(manifest.data), facts)


def from_kept(manifest: Manifest, kept: Kept) -> Contents:
    """Without a run folder: tests and slices as they were computed when the runs were there."""
    rows = rows_of(manifest, kept.runs)
    sections = [
        kept_section(name, [row for row in rows if row.dataset == name], manifest, kept) for name in _datasets(rows)
    ]
    reference = reference_of(rows, manifest.reference)
    overall = Overall(_average(manifest, rows), kept.overall, reference, _unfinished(rows))
    return Contents(rows, sections, overall, [DataColumn(**column) for column in kept.data])


def _facts(out: Path, rows: Sequence[Row]) -> pd.DataFrame | None:
    try:
        return read_facts(out, rows)
    except DataError:  # damaged, and the data to make it anew are not here
        return None


def _datasets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.dataset for row in rows))


def _unfinished(rows: Sequence[Row]) -> list[str]:
    """Labels without a run on one of the data sets."""
    finished = {(row.dataset, row.label) for row in rows if row.runs}
    labels = dict.fromkeys(row.label for row in rows)
    return [label for label in labels if not all((name, label) in finished for name in _datasets(rows))]


def _average(manifest: Manifest, rows: Sequence[Row]) -> list[TableRow]:
    return average_table(rows, paper_rows(manifest.paper, AVERAGE) if manifest.paper else {})
