"""For whom does each model work? One metric by slice of the test users."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import GRID, MUTED, figure, styled
from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.slice_metrics import HIGH, LOW

__all__ = ["LEAST_USERS", "slice_plot"]

METRIC = METRICS[0]
LEAST_USERS = 30  # of a slice whose mean is drawn: fewer say little, and stretch the axis
DOT, EDGE, LEAST_HEIGHT = 0.082, 0.2, 0.42  # inches: for a dot, around the dots of a slice, and of a slice
TOO_FEW, SMALL = f"fewer than {LEAST_USERS} users, not drawn", {"fontsize": 8, "color": MUTED}


@styled
def slice_plot(found: pd.DataFrame, looks: Mapping[str, Look]) -> Figure:
    """``found``: one way to slice of ``report.slice_metrics``, in the order to show. A dot and an interval a label and
    slice, the labels below each other; of a slice of fewer than ``LEAST_USERS`` users the number alone.
    """
    labels = [label for label in looks if label in set(found["label"])]
    shown = found[found["users"] >= LEAST_USERS]
    users = {str(name): own["users"] for name, own in found.groupby("slice", sort=False)}
    drawn_in = set(shown["slice"])
    heights = [max(LEAST_HEIGHT, EDGE + DOT * len(labels) * (name in drawn_in)) for name in users]
    bottoms = np.cumsum(heights)
    middles = dict(zip(users, bottoms - np.asarray(heights) / 2, strict=True))
    drawn, axis = figure(0.6 + float(bottoms[-1]))
    for number, label in enumerate(labels):
        own, look = shown[shown["label"] == label], looks[label]
        places = [middles[name] + (number - (len(labels) - 1) / 2) * DOT for name in own["slice"]]
        if LOW in own:
            axis.hlines(places, own[LOW], own[HIGH], color=look.colour, lw=1.1)
        style = {"ms": 4.2, "color": look.colour, "label": label, "clip_on": False, "zorder": 3}
        axis.plot(own[METRIC.pes], places, look.mark, **style)
    for bottom in bottoms[:-1]:
        axis.axhline(bottom, color=GRID, lw=0.6)
    for name in users:
        if name not in drawn_in:
            axis.text(0.02, middles[name], TOO_FEW, transform=axis.get_yaxis_transform(), va="center", **SMALL)
    axis.set_yticks(list(middles.values()), [_named(name, own) for name, own in users.items()])
    axis.set_ylim(bottoms[-1], 0)
    axis.set_xlim(left=0)
    axis.margins(x=0.06)
    axis.set_xlim(left=0)
    axis.locator_params(axis="x", nbins=6)
    axis.set_xlabel(f"{METRIC.title}, pessimistic")
    axis.grid(False, axis="y")
    return drawn


def _named(name: str, users: "pd.Series[int]") -> str:
    """The slice and its users, a range where each label has its own; of those that are drawn, if there are any."""
    own = users[users >= LEAST_USERS] if (users >= LEAST_USERS).any() else users
    least, most = int(own.min()), int(own.max())
    number = f"{least:,} to {most:,}" if least < most else f"{most:,}"
    return f"{name}\n{number} user{'s' if most != 1 else ''}"
