"""Plots of finished runs, one module a question; each draws on a figure narrow enough for a phone."""

from calrec_recbole.report.plots.cost import cost_plot
from calrec_recbole.report.plots.curves import curve_plot
from calrec_recbole.report.plots.gap import gap_plot
from calrec_recbole.report.plots.metrics import metric_plot
from calrec_recbole.report.plots.slices import slice_plot

__all__ = ["cost_plot", "curve_plot", "gap_plot", "metric_plot", "slice_plot"]
