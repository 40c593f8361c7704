"""How good is each model, and how sure is that? Means with 95 % intervals, optimistic and pessimistic."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from calrec_recbole.report.plots.style import INK, MUTED, PAPER, colours, figure, row_height, styled, wrapped
from calrec_recbole.report.rows import METRICS, Row
from calrec_recbole.report.tables.paper_rows import PaperRows

__all__ = ["metric_plot"]

APART = 0.17  # of a row: the two cases of a model lie above each other


@styled
def metric_plot(rows: Sequence[Row], means: pd.DataFrame, paper: PaperRows) -> Figure:
    """``means``: ``model, metric, low, high`` of ``evaluation.compare``, or empty; a diamond is the paper's number."""
    shown = [row for row in rows if row.runs]
    height = row_height([row.label for row in shown], 0.32)
    drawn, axes = figure(0.9 + 2 * (0.5 + height * len(shown)), 2, 2, sharey=True)
    ends = {} if means.empty else means.set_index(["model", "metric"])[["low", "high"]].T.to_dict()
    tone = colours([row.label for row in shown])
    for axis, metric in zip(axes.flat, METRICS, strict=True):
        for place, row in enumerate(shown):
            for key, shift, face in ((metric.opt, -APART, tone[row.label]), (metric.pes, APART, PAPER)):
                value = row.value(key)
                if found := ends.get((row.label, key)):
                    axis.plot([found["low"], found["high"]], [place + shift] * 2, color=tone[row.label], lw=1.2)
                axis.plot(value, place + shift, "o", ms=4.6, color=tone[row.label], mfc=face, mew=1.1, clip_on=False)
            printed = _paper(row, paper).get(metric.title)
            if printed and np.isfinite(printed[0]):
                axis.plot(printed[0], place - APART, "D", ms=3.6, color=MUTED, mfc=MUTED, clip_on=False)
                axis.plot(printed[1], place + APART, "D", ms=3.6, color=MUTED, mfc=PAPER, clip_on=False)
        axis.set_title(metric.title, loc="left")
        axis.set_yticks(range(len(shown)), [wrapped(row.label) for row in shown])
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.set_xlim(left=0)
        axis.locator_params(axis="x", nbins=4)
        axis.grid(False, axis="y")
    _legend(drawn, bool(ends), any(_paper(row, paper) for row in shown))
    return drawn


def _paper(row: Row, paper: PaperRows) -> dict[str, tuple[float, float]]:
    return next((paper[label] for label in row.paper_labels if label in paper), {})


def _legend(drawn: Figure, intervals: bool, paper: bool) -> None:
    handles = [
        Line2D([], [], marker="o", ls="-" if intervals else "", color=INK, ms=4.6, label="optimistic"),
        Line2D([], [], marker="o", ls="-" if intervals else "", color=INK, mfc=PAPER, ms=4.6, label="pessimistic"),
    ]
    if paper:
        handles.append(Line2D([], [], marker="D", ls="", color=MUTED, ms=3.6, label="the paper's"))
    drawn.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.6)
