"""Cells: digits, marks, dashes."""

import math

from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.cells import marked_cells, printed


def values(optimistic, pessimistic):
    return dict.fromkeys([metric.opt for metric in METRICS], optimistic) | dict.fromkeys(
        [metric.pes for metric in METRICS], pessimistic
    )


def test_best_and_second_are_found_in_each_case_alone():
    table = marked_cells([values(0.5, 0.1), values(0.4, 0.4), values(0.4, 0.3)])
    assert [cells[0].opt.mark for cells in table] == ["best", "second", "second"]
    assert [cells[0].pes.mark for cells in table] == ["", "best", "second"]
    assert [cells[0].alike for cells in table] == [False, False, False]  # the same digits under other marks stay two


def test_equal_digits_share_a_mark():
    table = marked_cells([values(0.50001, 0.1), values(0.50002, 0.1), values(0.2, 0.1)])
    assert [cells[0].opt.mark for cells in table] == ["best", "best", "second"]
    assert {cells[0].pes.mark for cells in table} == {""}


def test_a_number_that_is_not_there_is_a_dash():
    cells = marked_cells([{}, values(0.5, 0.4), values(0.3, 0.2)])
    assert cells[0][0].opt.text == printed(math.nan) == "–"
    assert cells[1][0].opt.mark == "best"


def test_the_expected_number_stands_between_the_bounds_where_it_is_known():
    expected = {metric.exp: 0.3 for metric in METRICS}
    known, old, level = marked_cells([values(0.5, 0.1) | expected, values(0.4, 0.2), values(0.6, 0.6)])
    assert [one.text for one in known[0].shown.values()] == [".5000", ".3000", ".1000"]
    assert list(old[0].shown) == ["opt", "pes"]
    assert list(level[0].shown) == ["both"]
