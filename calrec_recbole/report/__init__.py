"""Finished runs as tables, tests, plots and one HTML file; it knows runs as folders and trains nothing."""

from calrec_recbole.report.collect import manifest_of
from calrec_recbole.report.manifest import Entry, Manifest
from calrec_recbole.report.write import write_report

__all__ = ["Entry", "Manifest", "manifest_of", "write_report"]
