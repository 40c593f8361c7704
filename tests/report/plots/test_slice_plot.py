"""One metric by slice of the test users."""

import pandas as pd
import pytest

from calrec_recbole.report.plots import slice_plot
from calrec_recbole.report.plots.looks import Look
from calrec_recbole.report.plots.style import SERIES
from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.slice_metrics import HIGH, LOW

KEY = METRICS[0].pes
LOOKS = {"LIR": Look(SERIES[5], "s"), "SASRec": Look(SERIES[1], "^"), "other": Look(SERIES[2], "o")}


@pytest.fixture
def found():
    return pd.DataFrame(
        [("LIR", "unseen", 29, 1.0), ("LIR", "1-5", 1200, 0.2), ("SASRec", "1-5", 1200, 0.4), ("LIR", ">5", 30, 0.1)],
        columns=["label", "slice", "users", KEY],
    )


def dots_of(axis):
    return {line.get_label(): line for line in axis.lines if line.get_marker() not in ("None", "")}


def test_each_label_has_a_dot_of_its_own_look_in_each_slice_that_it_has(found):
    (axis,) = slice_plot(found, LOOKS).axes
    dots = dots_of(axis)
    assert list(dots) == ["LIR", "SASRec"]
    assert dots["LIR"].get_xdata().tolist() == [0.2, 0.1]
    assert dots["SASRec"].get_xdata().tolist() == [0.4]
    assert dots["SASRec"].get_ydata()[0] > dots["LIR"].get_ydata()[0]  # beside the other label, in its slice
    assert (dots["LIR"].get_marker(), dots["LIR"].get_color()) == ("s", SERIES[5])


def test_fewer_than_thirty_users_are_told_and_neither_drawn_nor_on_the_axis(found):
    (axis,) = slice_plot(found, LOOKS).axes
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names == ["unseen\n29 users", "1-5\n1,200 users", ">5\n30 users"]
    assert [text.get_text() for text in axis.texts] == ["fewer than 30 users, not drawn"]
    assert axis.get_xlim()[1] < 0.5


def test_intervals_are_drawn_where_they_are_known(found):
    (axis,) = slice_plot(found.assign(**{LOW: found[KEY] - 0.05, HIGH: found[KEY] + 0.05}), LOOKS).axes
    ends = [segment[:, 0].tolist() for lines in axis.collections for segment in lines.get_segments()]
    assert ends == [pytest.approx([0.15, 0.25]), pytest.approx([0.05, 0.15]), pytest.approx([0.35, 0.45])]
    assert not slice_plot(found, LOOKS).axes[0].collections


def test_groups_that_differ_by_label_say_so():
    own = pd.DataFrame([("LIR", "2", 40, 0.1), ("SASRec", "2", 1492, 0.2), ("other", "2", 1, 0.3)])
    (axis,) = slice_plot(own.set_axis(["label", "slice", "users", KEY], axis=1), LOOKS).axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["2\n40 to 1,492 users"]
