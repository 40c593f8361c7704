"""Finished runs as tables, tests, plots and one HTML file; it knows runs as folders and trains nothing."""

from calrec_recbole.report.inputs.finished_runs import data_name
from calrec_recbole.report.inputs.labels import manifest_of
from calrec_recbole.report.inputs.manifest import Entry, Manifest, from_here
from calrec_recbole.report.write import write_report

__all__ = ["Entry", "Manifest", "data_name", "from_here", "manifest_of", "write_report"]
