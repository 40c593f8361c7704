"""All plots of one data set: files for a paper, and the same drawings for the page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from calrec_recbole.durable_files import file_name
from calrec_recbole.report.dataset_section import Section
from calrec_recbole.report.plots import cost_plot, curve_plot, gap_plot, metric_plot, slice_plot
from calrec_recbole.report.plots.learning_curves import kept_steps
from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import inline_svg, legend_above, save
from calrec_recbole.report.plots.tie_gap import tied
from calrec_recbole.report.rows import Row
from calrec_recbole.report.slice_metrics import LOW

__all__ = ["Drawing", "draw_plots"]

KEYED = ("cost", "curves", "slices")  # the page has one legend for all of them, each file its own
TIES = "items of the target's score"


@dataclass(frozen=True)
class Drawing:
    """``kind``: metrics, gap, cost, curves or slices; ``svg`` for the page; ``caption`` says how to read it."""

    kind: str
    name: str
    svg: str
    caption: str


def draw_plots(section: Section, folder: Path, looks: Mapping[str, Look]) -> list[Drawing]:
    """Writes <data set>-<kind>.png and .svg; nothing of a data set without a finished run."""
    drawings = []
    own = {row.label: looks[row.label] for row in section.finished}
    for part, drawn, caption in _figures(section, own) if section.finished else ():
        kind, name = part.partition("-")[0], f"{file_name(section.dataset)}-{part}"
        height = drawn.get_figheight()
        if kind in KEYED:
            legend_above(drawn, [_handle(label, look) for label, look in own.items()])
        save(drawn, folder, name)
        if kind in KEYED:  # the page has its own; not before: matplotlib cannot lay out the larger figure after it
            drawn.legends.clear()
            drawn.set_figheight(height)
        drawings.append(Drawing(kind, name, inline_svg(drawn, name, caption), caption))
    return drawings


def _handle(label: str, look: Look) -> Line2D:
    return Line2D([], [], ls="", marker=look.mark, ms=5, color=look.colour, label=label)


def _figures(section: Section, looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure, str]]:
    rows = section.finished
    bars = ", with 95 % bootstrap intervals over users" if not section.tests.empty else ""
    yield "metrics", metric_plot(rows, section.tests, section.paper, looks), f"Each metric by model{bars}."
    if gap := gap_plot(rows, looks):
        without = _others("In no metric has a gap", rows, tied(rows))
        yield "gap", gap, f"How much hangs on ties: the gap between the optimistic and the pessimistic case.{without}"
    yield "cost", cost_plot(rows, looks), "Accuracy against the cost of training and of evaluation."
    if curve := curve_plot(rows, looks):
        kept = kept_steps(rows)
        told = ", ".join(f"{label} at {step}" for label, step in kept.items())
        without = _others("No curve", rows, [row for row in rows if row.label in kept])
        yield "curves", curve, f"Learning curves; the ring is at the checkpoint that was kept: {told}.{without}"
    if not section.slices.empty:
        for place, (by, found) in enumerate(section.slices.groupby("by", sort=False)):
            yield f"slices-{place + 1}", slice_plot(found, looks), _slices(str(by), LOW in found)


def _slices(by: str, intervals: bool) -> str:
    own = ". Each model has its own groups here: how many items share its score of the target" if by == TIES else ""
    kept = "" if intervals else "; no intervals were kept"
    return f"Test users by {by}{own}{kept}."


def _others(what: str, rows: Sequence[Row], shown: Sequence[Row]) -> str:
    """A sentence on the rows that are not ``shown``; empty where all are."""
    labels = [row.label for row in rows if row not in shown]
    return f" {what}: {', '.join(labels)}." if labels else ""
