"""report.html: one file without a single request, readable on a phone, in light and dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
import pandas as pd
import yaml

from calrec_recbole.report.dataset_section import Section
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.inputs.kept import PLACES
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.plots.all_plots import Drawing
from calrec_recbole.report.plots.style import SERIES
from calrec_recbole.report.rows import METRICS, Row
from calrec_recbole.report.tables.cells import TableRow
from calrec_recbole.report.tables.dataset_table import FIELDS, DataColumn
from calrec_recbole.report.tables.differences import LEVEL, differences

__all__ = ["Overall", "page"]

TEMPLATES = files("calrec_recbole.report") / "templates"
SHARES = {  # of environment.json's samples -> the title of its column
    "follow_template": "Follow the template",
    "in_catalogue": "All attributes are an item's",
    "title_in_catalogue": "Title is an item's",
}


@dataclass(frozen=True)
class Overall:
    """Over all data sets: the table of the means, and per unit the tests against ``reference``."""

    average: Sequence[TableRow]
    tests: Mapping[str, pd.DataFrame]
    reference: str


def page(
    manifest: Manifest,
    sections: Sequence[Section],
    plots: Mapping[str, Sequence[Drawing]],
    overall: Overall,
    data: Sequence[DataColumn],
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
    environment.filters |= {"duration": duration, "mebibytes": mebibytes}
    return environment.get_template("report.html").render(
        manifest=manifest,
        sections=[_view(section, plots[section.dataset]) for section in sections],
        metrics=METRICS,
        average=overall.average,
        over=[(unit, differences(tests, overall.reference)) for unit, tests in overall.tests.items()],
        reference=overall.reference,
        series=SERIES,
        level=LEVEL,
        data=data,
        titles=[title for title, _ in FIELDS.values()],
    )


def _view(section: Section, drawings: Sequence[Drawing]) -> dict[str, object]:
    return {
        "section": section,
        "anchor": "".join(c if c.isalnum() else "-" for c in section.dataset),
        "drawings": {
            kind: [one for one in drawings if one.kind == kind]
            for kind in ("metrics", "gap", "cost", "curves", "slices")
        },
        "differences": differences(section.tests, section.reference),
        "failed": [row for row in section.rows if row.error],
        "costs": [_cost(row) for row in section.finished],
        "configs": [(row.label, run, _settings(run)) for row in section.finished for run in row.runs],
        "lead": lead(section),
        "samples": [
            (row.label, _samples(row.runs[0])) for row in section.finished if row.runs[0].environment.get("samples")
        ],
    }


def lead(section: Section) -> str:
    """The best row in one sentence; empty with fewer than two."""
    rows = sorted(section.finished, key=lambda row: row.value(METRICS[0].pes), reverse=True)
    if len(rows) < 2:
        return ""
    first, second = (row.value(METRICS[0].pes) for row in rows[:2])
    ahead = f", {100 * (first / second - 1):.1f} % ahead of {rows[1].label}" if second > 0 else ""
    return f"{rows[0].label} has the highest {METRICS[0].title} (pessimistic){ahead}."


def _cost(row: Row) -> dict[str, object]:
    environment = row.runs[0].environment
    devices = environment.get("devices", {})
    device = str(devices.get("device", ""))
    place = f"{devices.get('threads', '?')} threads" if device == "cpu" else str(devices.get("name", device))
    users = environment.get("users", {})
    return {"row": row, "device": place, "valid": users.get("valid"), "test": users.get("test")}


def _settings(run: Run) -> str:
    """config.yaml without what only says where things lie."""
    shown = {key: value for key, value in run.config.items() if key not in PLACES and value is not None}
    return yaml.safe_dump(shown, allow_unicode=True)


def _samples(run: Run) -> dict[str, str]:
    """What a generative model's samples were worth, by title."""
    found = run.environment["samples"]
    shares = {title: f"{100 * found[key]:.2f} %" for key, title in SHARES.items() if key in found}
    return {"Distinct texts a user": f"{found['texts_per_user']:.1f}"} | shares if "texts_per_user" in found else shares


def duration(seconds: float) -> str:
    """
    >>> duration(0.62), duration(48), duration(857), duration(5171)
    ('0.6 s', '48 s', '14 min 17 s', '1 h 26 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def mebibytes(size: float) -> str:
    """
    >>> mebibytes(809.5), mebibytes(3957.5)
    ('810 MiB', '3.9 GiB')
    """
    return f"{size:.0f} MiB" if size < 1024 else f"{size / 1024:.1f} GiB"
