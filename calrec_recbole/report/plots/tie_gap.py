"""How much of a metric hangs on ties? The optimistic number minus the pessimistic one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import SERIES, figure, row_height, styled, wrapped
from calrec_recbole.report.rows import METRICS, Row

__all__ = ["gap_plot"]


@styled
def gap_plot(rows: Sequence[Row]) -> Figure:
    """Bars in % of the mean of both cases, so that metrics of other sizes stand side by side; a group a model."""
    shown = [row for row in rows if row.runs]
    drawn, axis = figure(0.8 + row_height([row.label for row in shown], 0.7) * len(shown))
    height = 0.8 / len(METRICS)
    longest = 0.0
    for place, metric in enumerate(METRICS):
        gaps = [_gap(row.value(metric.opt), row.value(metric.pes)) for row in shown]
        longest = max(longest, *gaps)
        places = np.arange(len(shown)) + (place - (len(METRICS) - 1) / 2) * height
        bars = axis.barh(places, gaps, height * 0.86, color=SERIES[place], label=metric.title)
        axis.bar_label(bars, [f"{gap:.1f} %" for gap in gaps], padding=3, fontsize=8)
    axis.set_yticks(range(len(shown)), [wrapped(row.label) for row in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_xlim(0, max(1.0, longest) * 1.16)
    axis.set_xlabel("(optimistic − pessimistic) / their mean, %")
    axis.grid(False, axis="y")
    drawn.legend(loc="outside upper center", ncols=len(METRICS), handlelength=1.0, columnspacing=1.2)
    return drawn


def _gap(optimistic: float, pessimistic: float) -> float:
    middle = (optimistic + pessimistic) / 2
    return 100 * (optimistic - pessimistic) / middle if middle > 0 else 0.0
