"""Learning curves."""

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import curve_plot
from calrec_recbole.report.plots.learning_curves import kept_steps
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_only_what_was_validated_has_a_curve(rows):
    (axis,) = curve_plot(rows, looks_of(rows)).axes
    assert list(axis.lines[0].get_ydata()) == [0.1, 0.3]
    assert curve_plot(rows[1:], looks_of(rows)) is None
    assert kept_steps(rows) == {"SAS$ec $^$": "epoch 2"}  # whose score, .3, is the best
    assert not axis.texts  # nothing to overlap
