"""The strict duplicate rule of section 4, by hand and against a plain loop."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.data import drop_consecutive_duplicates
from calrec_recbole.data.dedup import drop_duplicates_of_regrouped_events
from calrec_recbole.errors import DataError


def table(rows, columns=("user_id", "item_id", "timestamp", "rating", "text")):
    return pd.DataFrame(rows, columns=list(columns))


def kept(rows, **options):
    return list(drop_consecutive_duplicates(table(rows, **options)).index)


def test_of_a_run_of_repeats_the_first_stays():
    assert kept([("u", "a", 1, 5.0, "x")] * 3 + [("u", "b", 2, 5.0, "x")]) == [0, 3]


@pytest.mark.parametrize(
    "second",
    [
        ("v", "a", 1, 5.0, "x"),
        ("u", "b", 1, 5.0, "x"),
        ("u", "a", 2, 5.0, "x"),
        ("u", "a", 1, 4.0, "x"),
        ("u", "a", 1, 5.0, "y"),
    ],
)
def test_one_difference_keeps_the_second(second):
    assert kept([("u", "a", 1, 5.0, "x"), second]) == [0, 1]


def test_another_event_between_keeps_both():
    a, b = ("u", "a", 1, 5.0, "x"), ("u", "b", 1, 5.0, "x")
    assert kept([a, b, a]) == [0, 1, 2]


def test_events_of_other_users_do_not_stand_between():
    a, other = ("u", "a", 1, 5.0, "x"), ("v", "a", 1, 5.0, "x")
    assert kept([a, other, a, other]) == [0, 1]


def test_consecutive_means_after_sorting_by_time():
    # sorted: a at 1, a at 1, b at 2, so rows 1 and 2 repeat although row 0 stands elsewhere in the file
    assert kept([("u", "b", 2, 5.0, "x"), ("u", "a", 1, 5.0, "x"), ("u", "a", 1, 5.0, "x")]) == [0, 1]


def test_missing_columns_are_not_compared():
    rows = [("u", "a", 1), ("u", "a", 1), ("u", "a", 2)]
    assert kept(rows, columns=("user_id", "item_id", "timestamp")) == [0, 2]


def test_missing_values_are_equal_to_each_other_only():
    rows = [("u", "a", 1, None, None), ("u", "a", 1, None, None), ("u", "a", 1, 5.0, None), ("u", "a", 1, 5.0, "")]
    assert kept(rows) == [0, 2, 3]


def test_other_columns_index_and_input_survive():
    events = table([("u", "a", 1, 5.0, "x")] * 2).assign(style=["red", "blue"]).set_axis([7, 7], axis=0)
    before = events.copy()
    found = drop_consecutive_duplicates(events)
    assert found.index.tolist() == [7]
    assert found["style"].tolist() == ["red"]
    pd.testing.assert_frame_equal(events, before)


def test_no_event_and_one_event():
    assert kept([]) == []
    assert kept([("u", "a", 1, 5.0, "x")]) == [0]


def test_a_required_column_is_named():
    with pytest.raises(DataError, match=r"lack the column\(s\) timestamp"):
        drop_consecutive_duplicates(pd.DataFrame({"user_id": [1], "item_id": [1]}))


def test_regrouped_events_are_compared_item_by_item():
    a, b = ("u", "a", 1, 5.0, "x"), ("u", "b", 1, 5.0, "x")
    events = table([a, b, a, ("u", "a", 2, 5.0, "x"), b])
    assert list(drop_duplicates_of_regrouped_events(events).index) == [0, 1, 3]
    assert "row" not in table([a]).columns


def loop(rows):
    """One user after the other, sorted, each event compared with the one before."""
    keep = []
    for user in {row[0] for row in rows}:
        mine = sorted(((row, n) for n, row in enumerate(rows) if row[0] == user), key=lambda pair: pair[0][2])
        keep += [n for i, (row, n) in enumerate(mine) if i == 0 or row != mine[i - 1][0]]
    return sorted(keep)


SMALL = st.tuples(
    st.sampled_from("uv"), st.sampled_from("ab"), st.integers(-1, 1), st.sampled_from([1.0, 2.0]), st.sampled_from("xy")
)


@given(st.lists(SMALL, max_size=25))
def test_equals_a_plain_loop(rows):
    assert kept(rows) == loop(rows)
