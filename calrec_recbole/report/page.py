"""report.html: one file without a single request, readable on a phone, in light and dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
import numpy as np
import pandas as pd
import yaml

from calrec_recbole.report.dataset_section import Section
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.inputs.kept import PLACES
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.plots.all_plots import Drawing
from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.slice_plot import LEAST_USERS
from calrec_recbole.report.plots.style import SERIES
from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.cells import TableRow
from calrec_recbole.report.tables.cost_table import TITLES, cost_table
from calrec_recbole.report.tables.dataset_table import FIELDS, DataColumn
from calrec_recbole.report.tables.differences import LEVEL, differences
from calrec_recbole.report.tables.list_table import list_table

__all__ = ["Overall", "page"]

TEMPLATES = files("calrec_recbole.report") / "templates"
SHARES = {  # of environment.json's samples -> the title of its column
    "follow_template": "Follow the template",
    "in_catalogue": "All attributes are an item's",
    "title_in_catalogue": "Title is an item's",
}


@dataclass(frozen=True)
class Overall:
    """Over all data sets: the table of the means, per unit the tests against ``reference``, and the labels that have
    not finished on every data set.
    """

    average: Sequence[TableRow]
    tests: Mapping[str, pd.DataFrame]
    reference: str
    unfinished: Sequence[str] = ()


def page(
    manifest: Manifest,
    sections: Sequence[Section],
    plots: Mapping[str, Sequence[Drawing]],
    overall: Overall,
    data: Sequence[DataColumn],
    looks: Mapping[str, Look],
) -> str:
    """The whole document.

    Every text of a run is escaped; the drawings are our own SVG.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (TEMPLATES / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        manifest=manifest,
        sections=[_view(section, plots[section.dataset], looks) for section in sections],
        metrics=METRICS,
        average=overall.average,
        over=[(unit, differences(tests, overall.reference)) for unit, tests in overall.tests.items()],
        reference=overall.reference,
        unfinished=overall.unfinished,
        series=SERIES,
        level=LEVEL,
        data=data,
        titles=[title for title, _ in FIELDS.values()],
        costs=TITLES,
        least_users=LEAST_USERS,
    )


def _view(section: Section, drawings: Sequence[Drawing], looks: Mapping[str, Look]) -> dict[str, object]:
    return {
        "section": section,
        "anchor": "".join(c if c.isalnum() else "-" for c in section.dataset),
        "drawings": {
            kind: [one for one in drawings if one.kind == kind]
            for kind in ("metrics", "gap", "cost", "curves", "slices")
        },
        "differences": differences(section.tests, section.reference),
        "failed": [row for row in section.rows if row.error],
        "costs": cost_table(section.finished),
        "legend": [(row.label, looks[row.label]) for row in section.finished],
        "configs": [(row.label, run, _settings(run)) for row in section.finished for run in row.runs],
        "lead": lead(section),
        "ties": [(row.label, row.ties) for row in section.finished if row.ties],
        "lists": list_table(section.finished),
        "samples": [
            (row.label, _samples(row.runs[0])) for row in section.finished if row.runs[0].environment.get("samples")
        ],
    }


def lead(section: Section) -> str:
    """The best row in one sentence, by the expected metric where all rows have it; empty with fewer than two."""
    values = {row.label: row.expected(METRICS[0]) for row in section.finished}
    case = "expected" if all(np.isfinite(value) for value in values.values()) else "pessimistic"
    if case == "pessimistic":
        values = {row.label: row.value(METRICS[0].pes) for row in section.finished}
    labels = sorted(values, key=lambda label: values[label], reverse=True)
    if len(labels) < 2:
        return ""
    first, second = (values[label] for label in labels[:2])
    percent = f"{100 * (first / second - 1):.1f} %" if second > 0 else ""
    ahead = f", {percent} ahead of {labels[1]}" if percent else ""
    ahead = f", level with {labels[1]}" if percent == "0.0 %" else ahead
    return f"{labels[0]} has the highest {METRICS[0].title} ({case}){ahead}."


def _settings(run: Run) -> str:
    """config.yaml without what only says where things lie."""
    shown = {key: value for key, value in run.config.items() if key not in PLACES and value is not None}
    return yaml.safe_dump(shown, allow_unicode=True)


def _samples(run: Run) -> dict[str, str]:
    """What a generative model's samples were worth, by title."""
    found = run.environment["samples"]
    shares = {title: f"{100 * found[key]:.2f} %" for key, title in SHARES.items() if key in found}
    return {"Distinct texts a user": f"{found['texts_per_user']:.1f}"} | shares if "texts_per_user" in found else shares
