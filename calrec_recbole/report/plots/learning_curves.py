"""How did each model learn? Validation scores against the minutes trained."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from calrec_recbole.report.plots.style import INK, colours, figure, legend_above, marks, styled, wrapped
from calrec_recbole.report.rows import Row

__all__ = ["curve_plot"]


@styled
def curve_plot(rows: Sequence[Row]) -> Figure | None:
    """The first seed of each row that was validated more than once; None where no row was."""
    shown = [row for row in rows if row.runs]
    tone = colours([row.label for row in shown])
    learnt = [row for row in shown if len(row.runs[0].curve.values) > 1]
    if not learnt:
        return None
    mark = marks([row.label for row in shown])
    drawn, axis = figure(2.8)
    for row in learnt:
        run, colour = row.runs[0], tone[row.label]
        curve = run.curve
        best = max(range(len(curve.values)), key=curve.values.__getitem__)
        axis.plot(
            curve.minutes, curve.values, f"-{mark[row.label]}", ms=2.6, lw=1.2, color=colour, label=wrapped(row.label)
        )
        axis.plot(curve.minutes[best], curve.values[best], "o", ms=6.5, color=colour, mfc="none")
        axis.annotate(
            f"{run.step_name} {curve.steps[best]}", (curve.minutes[best], curve.values[best]), xytext=(0, 6),
            textcoords="offset points", fontsize=8, color=INK, ha="center",
        )  # fmt: skip
    axis.set_ylim(bottom=0)
    axis.margins(y=0.14)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("minutes of training, validations included")
    axis.set_ylabel(f"validation {learnt[0].runs[0].config.get('valid_metric', 'score')}")
    legend_above(drawn, [row.label for row in learnt], handlelength=1.4)
    return drawn
