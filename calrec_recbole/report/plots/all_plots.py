"""All plots of one data set: files for a paper, and the same drawings for the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from calrec_recbole.durable_files import file_name
from calrec_recbole.report.dataset_section import Section
from calrec_recbole.report.plots import cost_plot, curve_plot, gap_plot, metric_plot, slice_plot
from calrec_recbole.report.plots.style import inline_svg, save

__all__ = ["Drawing", "draw_plots"]


@dataclass(frozen=True)
class Drawing:
    """``kind``: metrics, gap, cost, curves or slices; ``svg`` for the page; ``caption`` says how to read it."""

    kind: str
    name: str
    svg: str
    caption: str


def draw_plots(section: Section, folder: Path) -> list[Drawing]:
    """Writes <data set>-<kind>.png and .svg; nothing of a data set without a finished run."""
    drawings = []
    for kind, drawn, caption in _figures(section) if section.finished else ():
        name = f"{file_name(section.dataset)}-{kind}"
        save(drawn, folder, name)
        drawings.append(Drawing(kind.partition("-")[0], name, inline_svg(drawn, name, caption), caption))
    return drawings


def _figures(section: Section) -> Iterator[tuple[str, Figure, str]]:
    rows = section.finished
    bars = ", with 95 % bootstrap intervals over users" if not section.tests.empty else ""
    yield "metrics", metric_plot(rows, section.tests, section.paper), f"Each metric by model{bars}"
    yield "gap", gap_plot(rows), "How much hangs on ties: the gap between the optimistic and the pessimistic case"
    yield "cost", cost_plot(rows), "Accuracy against the cost of training and of evaluation"
    if curve := curve_plot(rows):
        yield "curves", curve, "Learning curves; the ring marks the checkpoint that was kept"
    if not section.slices.empty:
        labels = [row.label for row in rows]
        for place, (by, found) in enumerate(section.slices.groupby("by", sort=False)):
            yield f"slices-{place + 1}", slice_plot(found, labels), f"Test users by {by}"
