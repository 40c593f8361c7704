"""How did each model learn? Validation scores against the minutes trained."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import figure, legend_above, styled
from calrec_recbole.report.rows import Row

__all__ = ["curve_plot", "learnt"]


def learnt(rows: Sequence[Row]) -> list[Row]:
    """Those of ``rows`` that were validated more than once, by their first seed."""
    return [row for row in rows if row.runs and len(row.runs[0].curve.values) > 1]


@styled
def curve_plot(rows: Sequence[Row], looks: Mapping[str, Look]) -> Figure | None:
    """The first seed of each row of ``learnt``, the legend with the step that was kept; None where there is none."""
    shown = learnt(rows)
    if not shown:
        return None
    drawn, axis = figure(2.8)
    handles = []
    for row in shown:
        run, look = row.runs[0], looks[row.label]
        curve = run.curve
        best = max(range(len(curve.values)), key=curve.values.__getitem__)
        label = f"{row.label}, {run.step_name} {curve.steps[best]:,}"
        style = {"ms": 2.6, "lw": 1.2, "color": look.colour, "label": label}
        (line,) = axis.plot(curve.minutes, curve.values, f"-{look.mark}", **style)
        axis.plot(curve.minutes[best], curve.values[best], "o", ms=7, color=look.colour, mfc="none")
        handles.append(line)
    axis.margins(y=0.08)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("minutes of training, validations included")
    axis.set_ylabel(f"validation {shown[0].runs[0].config.get('valid_metric', 'score')}")
    legend_above(drawn, handles)
    return drawn
