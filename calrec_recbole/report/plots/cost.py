"""What does accuracy cost? Against the time to train and the time for a user."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import INK, MUTED, colours, figure, marks, styled
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
    labels = [row.label for row in shown]
    tone, mark = colours(labels), marks(labels)
    costs = (
        ("train_seconds", "training, seconds of wall clock"),
        ("test_milliseconds", "evaluation, milliseconds a user"),
    )
    for axis, (name, title) in zip(axes, costs, strict=True):
        at = [(max(LEAST[name], getattr(row, name)), row.value(METRIC.pes)) for row in shown]
        for row, point in zip(shown, at, strict=True):
            axis.plot(*point, mark[row.label], ms=6, color=tone[row.label])
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.margins(x=0.2, y=0.18)
        low, high = axis.get_ylim()
        middle = float(np.sqrt(np.prod(axis.get_xlim())))
        for left in (False, True):  # the label, so that none leaves the figure
            own = [(row, point) for row, point in zip(shown, at, strict=True) if (point[0] > middle) == left]
            heights = [(point[1] - low) / (high - low) * PANEL for _, point in own]
            for (row, point), height, placed in zip(own, heights, apart(heights, LINE, PANEL), strict=True):
                offset = {"xytext": (-8 if left else 8, placed - height), "textcoords": "offset points"}
                line = {"arrowstyle": "-", "lw": 0.4, "color": MUTED, "shrinkA": 0, "shrinkB": 2}
                text = axis.annotate(row.label, point, **offset, fontsize=8, color=INK, va="center", arrowprops=line)
                text.set(ha="right" if left else "left", in_layout=False)
        axis.set_xlabel(title)
        axis.set_ylabel(f"{METRIC.title}, pessimistic")
    return drawn


def apart(heights: Sequence[float], least: float, most: float = float("inf")) -> list[float]:
    """Each height, moved up as far as it must to lie ``least`` above the next lower one: labels do not overlap.

    What comes to lie above ``most`` is moved down again, and what it meets there.

    >>> apart([5.0, 0.0, 1.0, 1.0], least=2.0)
    [6.0, 0.0, 2.0, 4.0]
    >>> apart([5.0, 0.0, 1.0, 1.0], least=2.0, most=5.0)
    [5.0, -1.0, 1.0, 3.0]
    """
    placed, order = list(heights), sorted(range(len(heights)), key=heights.__getitem__)
    for lower, upper in pairwise(order):
        placed[upper] = max(heights[upper], placed[lower] + least)
    for place in reversed(order):
        placed[place] = min(placed[place], most)
        most = placed[place] - least
    return placed
