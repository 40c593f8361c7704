"""Drawings for the page."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import metric_plot
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.plots.style import INK, SERIES, inline_svg
from calrec_recbole.report.rows import rows_of


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
