"""The plot of cost and quality."""

import json

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import cost_plot
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_every_tick_within_two_decades_is_a_plain_number(write_run):
    folders = [write_run(model) for model in ("SASRec", "LIR")]
    faster = json.loads((folders[1] / "environment.json").read_text())
    faster["seconds"]["train"]["wall"] = 30  # and 10 before it was resumed: 40 s against 100
    (folders[1] / "environment.json").write_text(json.dumps(faster))
    entries = [Entry(folder.parent.name, folder.parent.name, "Tiny", str(folder)) for folder in folders]
    rows = rows_of(Manifest("x", "X", entries=entries))
    drawn = cost_plot(rows, looks_of(rows))
    drawn.draw_without_rendering()
    labels = [text.get_text() for text in drawn.axes[0].get_xticklabels(which="both")]
    assert not any("$" in label for label in labels)
    assert {"50", "100"} <= set(labels)


def test_costs_are_seconds_and_milliseconds(rows):
    above, below = cost_plot(rows, looks_of(rows)).axes
    assert above.lines[0].get_xdata()[0] == 100
    assert below.lines[0].get_xdata()[0] == pytest.approx(100)  # 0.4 s for 4 users
    assert [line.get_marker() for line in above.lines] == ["^", "s"]  # SASRec's and LIR's
