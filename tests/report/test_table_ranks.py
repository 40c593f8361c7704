"""ranks.parquet of a results folder: every rank comes back, and no user id goes out."""

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation.per_user import read_ranks
from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.rows import Row
from calrec_recbole.report.table_ranks import RANKS_FILE, read_table_ranks, write_table_ranks

# u0 was tested by nobody; u9 is missing from the second run
FACTS = pd.DataFrame({"target": list("zabcd")}, index=pd.Index([f"u{n}" for n in range(5)], name="user_id"))


def row(folder, label, dataset="Tiny"):
    return Row(label, "LIR", dataset, [read_run(folder)])


def test_every_rank_comes_back_by_the_users_place(write_run, tmp_path):
    folders = [write_run("LIR"), write_run("SASRec", name="some", seed=7)]
    some = read_ranks(folders[1]).iloc[[2, 0]].reset_index()
    some.to_parquet(folders[1] / "ranks.parquet")
    rows = [row(folders[0], "LIR, okapi"), row(folders[1], "SASRec"), Row("Pop", "Pop", "Tiny", [], "it broke")]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS})
    found = read_table_ranks(tmp_path)
    assert list(found) == [("Tiny", "LIR, okapi", 1), ("Tiny", "SASRec", 7)]
    whole, part = found.values()
    assert whole.index.tolist() == [1, 2, 3, 4]
    assert whole["item_id"].tolist() == list("abcd")
    assert whole["optimistic"].tolist() == [1, 1, 11, 1]
    assert whole["pessimistic"].tolist() == [2, 2, 30, 4]
    assert part.reset_index().to_numpy().tolist() == [[1, "a", 1, 1], [3, "c", 20, 20]]
    assert b"u1" not in (tmp_path / RANKS_FILE).read_bytes()


def test_two_data_sets_stand_in_one_file(write_run, tmp_path):
    rows = [row(write_run("LIR", dataset=name), "LIR", name) for name in ("Tiny", "Arts")]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS, "Arts": FACTS})
    found = read_table_ranks(tmp_path)
    pd.testing.assert_frame_equal(found["Tiny", "LIR", 1], found["Arts", "LIR", 1])


def test_without_what_is_known_of_the_users_there_is_no_file(write_run, tmp_path):
    rows = [row(write_run("LIR"), "LIR")]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS})
    write_table_ranks(tmp_path, rows, {})
    assert not (tmp_path / RANKS_FILE).exists()
    with pytest.raises(DataError, match=r"keeps no ranks.parquet"):
        read_table_ranks(tmp_path)


def test_a_run_on_other_data_is_left_out(write_run, tmp_path):
    rows = [row(write_run("LIR"), "LIR"), row(write_run("LIR", name="other", targets="abcc"), "other targets")]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS})
    assert list(read_table_ranks(tmp_path)) == [("Tiny", "LIR", 1)]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS.iloc[:4]})  # u4 is no test user
    assert not (tmp_path / RANKS_FILE).exists()


def test_the_largest_table_of_scientific_stays_small(tmp_path):
    """Thirteen rows of 9,471 users with ranks that share nothing, the worst case of compression."""
    rng = np.random.default_rng(0)
    users = [f"user {n:05}" for n in range(9_471)]
    facts = pd.DataFrame({"target": rng.integers(0, 5_291, len(users)).astype(str)}, index=users)

    class Kept:
        seed, folder = 1, tmp_path

        def __init__(self):
            low = rng.integers(1, 5_292, len(users))
            high = low + rng.integers(0, 9, len(users))
            self.ranks = facts.rename(columns={"target": "item_id"}).assign(optimistic=low, pessimistic=high)

    rows = [Row(f"row {n}", "LIR", "Scientific", [Kept()]) for n in range(13)]
    write_table_ranks(tmp_path, rows, {"Scientific": facts})
    assert (tmp_path / RANKS_FILE).stat().st_size < 800_000
