"""How did each model learn? Validation scores against the minutes trained."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import figure, styled
from calrec_recbole.report.rows import Row

__all__ = ["curve_plot", "kept_steps"]


def kept_steps(rows: Sequence[Row]) -> dict[str, str]:
    """Label -> ``epoch 17`` or ``step 3,600``, whose weights were kept: of the first seed of rows that were validated
    more than once.
    """
    kept = {}
    for row in rows:
        if row.runs and len((curve := row.runs[0].curve).values) > 1:
            kept[row.label] = f"{row.runs[0].step_name} {curve.steps[_best(curve.values)]:,}"
    return kept


@styled
def curve_plot(rows: Sequence[Row], looks: Mapping[str, Look]) -> Figure | None:
    """The curve of each row of ``kept_steps``, with a ring around what was kept; None where there is none."""
    kept = kept_steps(rows)
    shown = [row for row in rows if row.label in kept]
    if not shown:
        return None
    drawn, axis = figure(2.8)
    for row in shown:
        curve, look = row.runs[0].curve, looks[row.label]
        best = _best(curve.values)
        axis.plot(curve.minutes, curve.values, f"-{look.mark}", ms=2.6, lw=1.2, color=look.colour)
        axis.plot(curve.minutes[best], curve.values[best], "o", ms=7, color=look.colour, mfc="none")
    axis.margins(y=0.08)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("minutes of training, validations included")
    axis.set_ylabel(f"validation {shown[0].runs[0].config.get('valid_metric', 'score')}")
    return drawn


def _best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
