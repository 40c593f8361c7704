"""The plot of cost and quality."""

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import cost_plot
from calrec_recbole.report.plots.cost import apart
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_costs_are_seconds_and_milliseconds(rows):
    above, below = cost_plot(rows).axes
    assert above.lines[0].get_xdata()[0] == 100
    assert below.lines[0].get_xdata()[0] == pytest.approx(100)  # 0.4 s for 4 users
    assert [text.get_text() for text in above.texts] == [row.label for row in rows]


def test_labels_lie_apart():
    assert apart([5.0, 0.0, 1.0, 1.0], least=2.0) == [6.0, 0.0, 2.0, 4.0]
    assert apart([], least=1.0) == []
