"""What does accuracy cost? Against the time to train and the time for a user."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import INK, colours, figure, styled
from calrec_recbole.report.rows import METRICS, Row

__all__ = ["apart", "cost_plot"]

METRIC = METRICS[0]
PANEL, LINE = 115.0, 10.0  # points: the height of a panel, and of a label
LEAST = {"train_seconds": 1.0, "test_milliseconds": 0.01}  # less is drawn here: a logarithm has no zero


@styled
def cost_plot(rows: Sequence[Row]) -> Figure:
    """Pessimistic NDCG@10 against seconds of training and against milliseconds a user, both logarithmic."""
    shown = [row for row in rows if row.runs]
    drawn, axes = figure(4.6, 2, 1)
    tone = colours([row.label for row in shown])
    costs = (
        ("train_seconds", "training, seconds of wall clock"),
        ("test_milliseconds", "evaluation, milliseconds a user"),
    )
    for axis, (name, title) in zip(axes, costs, strict=True):
        at = [(max(LEAST[name], getattr(row, name)), row.value(METRIC.pes)) for row in shown]
        for row, point in zip(shown, at, strict=True):
            axis.plot(*point, "o", ms=6, color=tone[row.label])
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.margins(x=0.2, y=0.18)
        low, high = axis.get_ylim()
        heights = [(value - low) / (high - low) * PANEL for _, value in at]
        for row, point, height, placed in zip(shown, at, heights, apart(heights, LINE), strict=True):
            offset = {"xytext": (7, placed - height), "textcoords": "offset points"}
            axis.annotate(row.label, point, **offset, fontsize=8.5, color=INK, va="center")
        axis.set_xlabel(title)
        axis.set_ylabel(f"{METRIC.title}, pessimistic")
    return drawn


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Each height, moved up as far as it must to lie ``least`` above the next lower one: labels do not overlap.

    >>> apart([5.0, 0.0, 1.0, 1.0], least=2.0)
    [6.0, 0.0, 2.0, 4.0]
    """
    placed = list(heights)
    for lower, upper in pairwise(sorted(range(len(heights)), key=heights.__getitem__)):
        placed[upper] = max(heights[upper], placed[lower] + least)
    return placed
