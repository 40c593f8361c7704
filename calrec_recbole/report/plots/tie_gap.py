"""How much of a metric hangs on ties? The optimistic number minus the pessimistic one."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import figure, row_height, styled, wrapped
from calrec_recbole.report.rows import METRICS, Row

__all__ = ["gap_plot", "tied"]

PRINTED = 0.05  # %: less is printed as 0.0


def tied(rows: Sequence[Row]) -> list[Row]:
    """Those of ``rows`` in which a gap can be printed."""
    return [row for row in rows if row.runs and max(_gaps(row)) >= PRINTED]


@styled
def gap_plot(rows: Sequence[Row], looks: Mapping[str, Look]) -> Figure | None:
    """Bars in % of the mean of both cases, so that metrics of other sizes stand side by side; a group a row of
    ``tied``, each bar with its metric. None where nothing ties.
    """
    shown = tied(rows)
    if not shown:
        return None
    drawn, axis = figure(0.6 + row_height([row.label for row in shown], 0.7) * len(shown))
    height = 0.8 / len(METRICS)
    for place, row in enumerate(shown):
        gaps = _gaps(row)
        places = place + (np.arange(len(METRICS)) - (len(METRICS) - 1) / 2) * height
        bars = axis.barh(places, gaps, height * 0.86, color=looks[row.label].colour)
        names = [f"{metric.title}  {gap:.1f} %" for metric, gap in zip(METRICS, gaps, strict=True)]
        axis.bar_label(bars, names, padding=3, fontsize=8)
    axis.set_yticks(range(len(shown)), [wrapped(row.label) for row in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_xlim(0, max(1.0, *(gap for row in shown for gap in _gaps(row))) * 1.5)  # room for the names
    axis.set_xlabel("(optimistic − pessimistic) / their mean, %")
    axis.grid(False, axis="y")
    return drawn


def _gaps(row: Row) -> list[float]:
    return [_gap(row.value(metric.opt), row.value(metric.pes)) for metric in METRICS]


def _gap(optimistic: float, pessimistic: float) -> float:
    middle = (optimistic + pessimistic) / 2
    return 100 * (optimistic - pessimistic) / middle if middle > 0 else 0.0
