"""Each metric by model: dots, intervals, the paper's diamonds."""

import pandas as pd

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import metric_plot
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.rows import METRICS, rows_of


def rows(write_run):
    return rows_of(Manifest("x", "X", entries=[Entry("LIR", "LIR", "Tiny", str(write_run("LIR")))]))


def marks(axis, kind):
    return [line.get_xdata()[0] for line in axis.lines if line.get_marker() == kind]


def test_a_dot_is_a_mean_and_a_diamond_the_papers(write_run):
    found = rows(write_run)
    drawn = metric_plot(found, pd.DataFrame(), {"LIR": {METRICS[0].title: (0.3, 0.2)}}, looks_of(found))
    assert [axis.get_title(loc="left") for axis in drawn.axes] == [metric.title for metric in METRICS]
    for axis, metric in zip(drawn.axes, METRICS, strict=True):
        assert marks(axis, "o") == [found[0].value(metric.opt), found[0].value(metric.pes)]
    assert [marks(axis, "D") for axis in drawn.axes] == [[0.3, 0.2], [], [], []]


def test_no_dot_lies_on_another(write_run):
    found = rows(write_run)
    drawn = metric_plot(found, pd.DataFrame(), {"LIR": {METRICS[0].title: (0.3, 0.2)}}, looks_of(found))
    heights = [float(line.get_ydata()[0]) for line in drawn.axes[0].lines]
    assert len(heights) == len(set(heights)) == 5  # three cases of ours, two of the paper's


def test_an_interval_lies_behind_its_dot(write_run):
    means = pd.DataFrame([{"model": "LIR", "metric": METRICS[1].pes, "low": 0.1, "high": 0.4}])
    found = rows(write_run)
    drawn = metric_plot(found, means, {}, looks_of(found))
    lines = [[line for line in axis.lines if line.get_marker() == "None"] for axis in drawn.axes]
    assert [len(found) for found in lines] == [0, 1, 0, 0]
    assert lines[1][0].get_xdata().tolist() == [0.1, 0.4]
