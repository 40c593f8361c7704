"""One metric by slice of the test users."""

import pandas as pd

from calrec_recbole.report.plots import slice_plot
from calrec_recbole.report.rows import METRICS

KEY = METRICS[0].pes


def test_each_label_has_a_dot_in_each_slice_that_it_has():
    found = pd.DataFrame(
        [("LIR", "unseen", 3, 0.1), ("LIR", "1-5", 1200, 0.2), ("SASRec", "1-5", 1200, 0.4)],
        columns=["label", "slice", "users", KEY],
    )
    (axis,) = slice_plot(found, ["LIR", "SASRec"]).axes
    dots = {line.get_label(): line for line in axis.lines if line.get_marker() != "None"}
    assert dots["LIR"].get_xdata().tolist() == [0.1, 0.2]
    assert dots["SASRec"].get_xdata().tolist() == [0.4]
    assert round(float(dots["SASRec"].get_ydata()[0])) == 1  # in the row of its slice, beside the other label
    assert dots["SASRec"].get_ydata()[0] > dots["LIR"].get_ydata()[1]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["unseen\n3 users", "1-5\n1,200 users"]
