"""The plot of the gap that ties make."""

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.plots import gap_plot
from calrec_recbole.report.rows import rows_of


@pytest.fixture
def rows(write_run):
    folders = {"SAS$ec $^$": write_run("SASRec"), "LIR <&>": write_run("LIR", curves="")}
    entries = [Entry(label, folder.parent.name, "Tiny", str(folder)) for label, folder in folders.items()]
    return rows_of(Manifest("x", "X", entries=entries))


def test_the_gap_is_a_share_of_the_mean(rows):
    # Recall@1: SASRec 1/4 in both cases, LIR 3/4 and 0: 200 % of their mean
    bars = gap_plot(rows).axes[0].containers[1]
    assert [bar.get_width() for bar in bars] == pytest.approx([0, 200])
