"""How good is each model, and how sure is that? Means with 95 % intervals: optimistic, expected, pessimistic."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import INK, MUTED, PAPER, figure, row_height, styled, wrapped
from calrec_recbole.report.rows import METRICS, Row
from calrec_recbole.report.tables.paper_rows import PaperRows

__all__ = ["metric_plot"]

CASES = (-0.17, 0.17)  # of a row: the two cases of a model lie above each other
BESIDE = ((-0.3, -0.1), (0.1, 0.3))  # with the paper's below them


@styled
def metric_plot(rows: Sequence[Row], means: pd.DataFrame, paper: PaperRows, looks: Mapping[str, Look]) -> Figure:
    """``means``: ``model, metric, low, high`` of ``evaluation.compare``, or empty; a diamond is the paper's number."""
    shown = [row for row in rows if row.runs]
    papers = [_paper(row, paper) for row in shown]
    height = row_height([row.label for row in shown], 0.44 if any(papers) else 0.32)
    drawn, axes = figure(0.9 + 2 * (0.5 + height * len(shown)), 2, 2, sharey=True)
    ends = {} if means.empty else means.set_index(["model", "metric"])[["low", "high"]].T.to_dict()
    for axis, metric in zip(axes.flat, METRICS, strict=True):
        for place, (row, printed) in enumerate(zip(shown, papers, strict=True)):
            ours, theirs = BESIDE if printed else (CASES, CASES)
            tone = looks[row.label].colour
            for key, shift, face in ((metric.opt, ours[0], tone), (metric.pes, ours[1], PAPER)):
                if found := ends.get((row.label, key)):
                    axis.plot([found["low"], found["high"]], [place + shift] * 2, color=tone, lw=1.2)
                axis.plot(row.value(key), place + shift, "o", ms=4.2, color=tone, mfc=face, mew=1.1, clip_on=False)
            if np.isfinite(row.value(metric.exp)) and row.value(metric.opt) != row.value(metric.pes):
                axis.plot(row.value(metric.exp), place + sum(ours) / 2, "|", ms=6, mew=1.4, color=tone, clip_on=False)
            values = printed.get(metric.title, ())
            for value, shift, face in zip(values, theirs, (MUTED, PAPER), strict=False):
                if np.isfinite(value):
                    axis.plot(value, place + shift, "D", ms=3.2, color=MUTED, mfc=face, clip_on=False)
        axis.set_title(metric.title, loc="left")
        axis.set_yticks(range(len(shown)), [wrapped(row.label) for row in shown])
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.set_xlim(left=0)
        axis.locator_params(axis="x", nbins=3)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("0.", ".", 1))
        axis.grid(False, axis="y")
    _legend(drawn, bool(ends), any(papers))
    return drawn


def _paper(row: Row, paper: PaperRows) -> dict[str, tuple[float, float]]:
    return next((paper[label] for label in row.paper_labels if label in paper), {})


def _legend(drawn: Figure, intervals: bool, paper: bool) -> None:
    handles = [
        Line2D([], [], marker="o", ls="-" if intervals else "", color=INK, ms=4.6, label="optimistic"),
        Line2D([], [], marker="o", ls="-" if intervals else "", color=INK, mfc=PAPER, ms=4.6, label="pessimistic"),
    ]
    handles.insert(1, Line2D([], [], marker="|", ls="", color=INK, ms=6, mew=1.4, label="expected"))
    if paper:
        handles.append(Line2D([], [], marker="D", ls="", color=MUTED, ms=3.6, label="the paper's"))
    drawn.legend(
        handles=handles, loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.1, handletextpad=0.5
    )
