"""The rows of a table: labels on data sets, seeds together."""

from calrec_recbole.report.rows import KEYS


def test_all_metrics_are_keys():
    assert len(KEYS) == 12  # four metrics in three cases
