"""The tests as a reader meets them: signs turned, verdicts of both tests together."""

import pandas as pd
import pytest

from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.differences import Difference, differences, p_value

COLUMNS = (
    "model",
    "metric",
    "difference",
    "difference_low",
    "difference_high",
    "t_p_holm",
    "permutation_p_holm",
    "cohens_d",
)


def frame_of(**row):
    """The same row for every metric and case of the model SASRec; ``compare`` takes the model from the reference."""
    base = {"difference": -0.02, "difference_low": -0.03, "difference_high": -0.01, "cohens_d": -0.25}
    base |= {"t_p_holm": 0.0004, "permutation_p_holm": 0.0312} | row
    keys = [key for metric in METRICS for key in metric.keys]
    rows = [{"model": model, "metric": key, **base} for model in ("LIR", "SASRec") for key in keys]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_a_model_above_the_reference_is_better_where_both_tests_say_so():
    found = differences(frame_of(), "LIR")
    assert list(found) == ["SASRec"]
    one = Difference("+.0200", "+.0100 to +.0300", "< .001", ".031", ".25", "better")
    assert found["SASRec"] == [dict.fromkeys(("optimistic", "expected", "pessimistic"), one) for _ in METRICS]


def test_tests_of_before_the_expected_metrics_show_the_bounds():
    old = frame_of()
    old = old[~old["metric"].str.contains("_exp")]
    assert [list(cell) for cell in differences(old, "LIR")["SASRec"]] == [["optimistic", "pessimistic"]] * 4


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"difference": 0.02}, "worse"),
        ({"t_p_holm": 0.06}, ""),
        ({"permutation_p_holm": 0.05}, ""),  # at the level itself nothing is said
    ],
)
def test_one_test_alone_gives_no_verdict(row, verdict):
    (cell, *_) = differences(frame_of(**row), "LIR")["SASRec"]
    assert {one.verdict for one in cell.values()} == {verdict}


def test_a_difference_of_nothing_has_no_sign():
    (cell, *_) = differences(frame_of(difference=0.00001, difference_low=-0.01), "LIR")["SASRec"]
    assert (cell["expected"].value, cell["expected"].interval.endswith("+.0100")) == (".0000", True)


def test_without_tests_there_is_nothing():
    assert differences(pd.DataFrame({"model": ["LIR"]}), "LIR") == {}


def test_p_values_end_below_a_thousandth():
    assert (p_value(0.0009), p_value(0.001)) == ("< .001", ".001")
