"""What plots must hold, whatever they look like."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import cost_plot, curve_plot, gap_plot, metric_plot
from calrec_recbole.report.plots.cost import apart
from calrec_recbole.report.plots.style import INK, SERIES, inline_svg
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_a_drawing_for_the_page_has_no_colour_and_no_id_of_its_own(rows):
    paper = {"LIR": {"NDCG@10": (0.5, 0.4)}}
    svg = inline_svg(metric_plot(rows, pd.DataFrame(), paper), "my data-metrics", "Metrics")
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))
    assert root.get("viewBox")
    assert root.get("width") is None
    for colour in (INK, *SERIES[:2]):
        assert colour not in svg
    assert "var(--series-0)" in svg
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(name.startswith("my-data-metrics-") for name in ids)
    texts = {"".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")}
    assert {"SAS$ec $^$", "LIR <&>", "NDCG@10", "the paper's"} <= texts


def test_the_gap_is_a_share_of_the_mean(rows):
    # Recall@1: SASRec 1/4 in both cases, LIR 3/4 and 0: 200 % of their mean
    bars = gap_plot(rows).axes[0].containers[1]
    assert [bar.get_width() for bar in bars] == pytest.approx([0, 200])


def test_costs_are_seconds_and_milliseconds(rows):
    above, below = cost_plot(rows).axes
    assert above.lines[0].get_xdata()[0] == 100
    assert below.lines[0].get_xdata()[0] == pytest.approx(100)  # 0.4 s for 4 users
    assert [text.get_text() for text in above.texts] == [row.label for row in rows]


def test_only_what_was_validated_has_a_curve(rows):
    (axis,) = curve_plot(rows).axes
    assert list(axis.lines[0].get_ydata()) == [0.1, 0.3]
    assert curve_plot(rows[1:]) is None


def test_labels_lie_apart():
    assert apart([5.0, 0.0, 1.0, 1.0], least=2.0) == [6.0, 0.0, 2.0, 4.0]
    assert apart([], least=1.0) == []
