"""Official splits: three files are one data set, and our splits make the same of it."""

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.data.layouts.official_split import compare_splits, parts_of
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.data.split import PARTS, SplitSettings, event_parts


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_any_part_names_all_three(tmp_path, suffix):
    files = [tmp_path / f"Pet_Supplies.{part}{suffix}" for part in ("train", "valid", "test")]
    for file in files:
        file.touch()
    for file in files:
        assert parts_of(file) == files
    files[2].unlink()
    with pytest.raises(DataError, match=rf"Pet_Supplies.test{suffix} is not there: the events are those of all three"):
        parts_of(files[0])


def test_any_other_file_is_itself(tmp_path):
    assert parts_of(tmp_path / "Pet_Supplies.csv") == [tmp_path / "Pet_Supplies.csv"]
    assert parts_of(tmp_path / "my.train.json") == [tmp_path / "my.train.json"]


def frame(*events):
    return pd.DataFrame(events, columns=["user_id", "timestamp", "part"])


def test_last_out_is_leave_one_out_for_each_user():
    events = frame((1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 9, 0), (1, 3, 1), (2, 9, 1), (1, 4, 2), (2, 9, 2))
    assert compare_splits(events) == {"kind": "last_out", "events": [4, 2, 2], "users": 2, "users_as_leave_one_out": 2}
    events.loc[events["timestamp"] == 4, "timestamp"] = 0  # user 1's test event is now its first
    assert compare_splits(events)["users_as_leave_one_out"] == 1


def test_the_shares_of_a_split_in_time_cut_at_its_two_points():
    """Held against the split of a run itself."""
    rng = np.random.default_rng(0)
    for size in (7, 10, 1000, 50_001):
        times = np.sort(rng.choice(10 * size, size, replace=False)).astype(float)
        ends = sorted(rng.choice(np.arange(1, size), 2, replace=False))
        part = np.searchsorted(ends, np.arange(size), side="right")
        users = rng.integers(0, size // 3 + 1, size)
        found = compare_splits(pd.DataFrame({"user_id": users, "timestamp": times, "part": part}))
        assert found["kind"] == "timestamp"
        assert found["events"] == [ends[0], ends[1] - ends[0], size - ends[1]]
        ours = event_parts(users, times, SplitSettings("global_time", found["global_time_shares"]))
        for number, name in enumerate(PARTS):
            assert set(part[ours == name]) <= {number}
        learnt = pd.Series(users[part == 0]).duplicated(keep=False)
        assert (ours == PARTS[0]).sum() == learnt.sum()  # all but who has one event there
