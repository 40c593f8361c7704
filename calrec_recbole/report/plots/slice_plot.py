"""For whom does each model work? One metric by slice of the test users."""

import pandas as pd
from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import GRID, colours, figure, legend_above, marks, styled, wrapped
from calrec_recbole.report.rows import METRICS

__all__ = ["slice_plot"]

METRIC = METRICS[0]


@styled
def slice_plot(found: pd.DataFrame, labels: list[str]) -> Figure:
    """``found``: one way to slice of ``report.slice_metrics``, in the order to show; a dot a label and slice."""
    tone = colours(labels)
    slices = list(dict.fromkeys(found["slice"]))
    users = found.groupby("slice")["users"].max()
    mark = marks(labels)
    drawn, axis = figure(0.6 + 0.42 * len(slices))
    places = {name: place for place, name in enumerate(slices)}
    for number, label in enumerate(labels):
        own = found[found["label"] == label]
        shift = (number - (len(labels) - 1) / 2) * 0.5 / max(1, len(labels) - 1) if len(labels) > 1 else 0.0
        axis.plot(
            own[METRIC.pes],
            [places[name] + shift for name in own["slice"]],
            mark[label],
            ms=4.6,
            color=tone[label],
            label=wrapped(label),
        )
    for place in range(len(slices) - 1):
        axis.axhline(place + 0.5, color=GRID, lw=0.6)
    axis.set_yticks(range(len(slices)), [f"{name}\n{users[name]:,} users" for name in slices])
    axis.set_ylim(len(slices) - 0.5, -0.5)
    axis.set_xlim(left=0)
    axis.margins(x=0.06)
    axis.set_xlim(left=0)
    axis.set_xlabel(f"{METRIC.title}, pessimistic")
    axis.grid(False, axis="y")
    legend_above(drawn, labels, handlelength=1.0)
    return drawn
