"""Drawings for the page."""

from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.lines import Line2D

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import metric_plot, slice_plot
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.plots.style import INK, SERIES, inline_svg, legend_above
from calrec_recbole.report.rows import Row, rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_a_drawing_for_the_page_has_no_colour_and_no_id_of_its_own(rows):
    paper = {"LIR": {"NDCG@10": (0.5, 0.4)}}
    svg = inline_svg(metric_plot(rows, pd.DataFrame(), paper, looks_of(rows)), "my data-metrics", "Metrics")
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))
    assert root.get("viewBox")
    assert root.get("width") is None
    for colour in (INK, *SERIES):
        assert colour not in svg
    assert f"var(--series-{looks_of(rows)['LIR <&>'].series})" in svg
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(name.startswith("my-data-metrics-") for name in ids)
    texts = {"".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")}
    assert {"SAS$ec $^$", "LIR <&>", "NDCG@10", "the paper's"} <= texts


def test_a_legend_leaves_room_for_the_smallest_plot():
    looks = looks_of([Row("Pop", "Pop", "Tiny", []), Row("LIR", "LIR", "Tiny", [])])
    few = pd.DataFrame([(label, "new", 8, 0.1) for label in looks], columns=["label", "slice", "users", "ndcg_pes@10"])
    drawn = slice_plot(few, looks)
    legend_above(drawn, [Line2D([], [], label=label) for label in looks])
    drawn.draw_without_rendering()  # else matplotlib warns, which is an error here
    assert drawn.axes[0].get_position().height > 0.2
