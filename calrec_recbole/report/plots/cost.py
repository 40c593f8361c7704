"""What does accuracy cost? Against the time to train and the time for a user."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import figure, styled
from calrec_recbole.report.rows import METRICS, Row

__all__ = ["cost_plot"]

METRIC = METRICS[0]
LEAST = {"train_seconds": 1.0, "test_milliseconds": 0.01}  # less is drawn here: a logarithm has no zero
NARROW = 100  # a range of less has more ticks than the powers of ten
COSTS = {"train_seconds": "training, seconds of wall clock", "test_milliseconds": "evaluation, milliseconds a user"}


@styled
def cost_plot(rows: Sequence[Row], looks: Mapping[str, Look]) -> Figure:
    """Pessimistic NDCG@10 against seconds of training and against milliseconds a user, both logarithmic."""
    drawn, axes = figure(4.6, 2, 1)
    for axis, (name, title) in zip(axes, COSTS.items(), strict=True):
        for row in rows:
            if row.runs:
                look, cost = looks[row.label], max(LEAST[name], getattr(row, name))
                axis.plot(cost, row.value(METRIC.pes), look.mark, ms=6, color=look.colour, clip_on=False)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.margins(x=0.1, y=0.12)
        low, high = axis.get_xlim()
        if high / low < NARROW:
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_xlabel(title)
        axis.set_ylabel(f"{METRIC.title}, pessimistic")
    return drawn
