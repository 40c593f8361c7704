"""Plots of finished runs, one module a question; each draws on a figure narrow enough for a phone."""

from calrec_recbole.report.plots.cost import cost_plot
from calrec_recbole.report.plots.learning_curves import curve_plot
from calrec_recbole.report.plots.metric_plot import metric_plot
from calrec_recbole.report.plots.slice_plot import slice_plot
from calrec_recbole.report.plots.tie_gap import gap_plot

__all__ = ["cost_plot", "curve_plot", "gap_plot", "metric_plot", "slice_plot"]
