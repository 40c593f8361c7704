"""What does accuracy cost? Against the time to train and the time for a user."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import INK, colours, figure, styled
from calrec_recbole.report.rows import METRICS, Row

__all__ = ["cost_plot"]

METRIC = METRICS[0]
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
        for row in shown:
            at = max(LEAST[name], getattr(row, name)), row.value(METRIC.pes)
            axis.plot(*at, "o", ms=6, color=tone[row.label])
            axis.annotate(
                row.label, at, xytext=(6, 0), textcoords="offset points", fontsize=8.5, color=INK, va="center"
            )
        axis.set_xscale("log")
        axis.margins(x=0.16, y=0.18)
        axis.set_xlabel(title)
        axis.set_ylabel(f"{METRIC.title}, pessimistic")
    return drawn
