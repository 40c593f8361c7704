"""The plot of the gap that ties make."""

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import gap_plot
from calrec_recbole.report.plots.looks import looks_of
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_the_gap_is_a_share_of_the_mean(rows):
    # Recall@1: SASRec 1/4 in both cases, LIR 3/4 and 0: 200 % of their mean
    (axis,) = gap_plot(rows, looks_of(rows)).axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["LIR <&>"]  # SASRec has no ties
    assert axis.containers[0][1].get_width() == pytest.approx(200)
    assert [text.get_text() for text in axis.texts][1] == "Recall@1  200.0 %"


def test_nothing_is_drawn_where_nothing_ties(rows):
    assert gap_plot(rows[:1], looks_of(rows)) is None
