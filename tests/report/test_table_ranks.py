"""ranks.parquet of a results folder: every rank comes back, and no user id goes out."""

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation.per_user import metric_vectors, read_ranks, without_last_item
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


MASKED = {"optimistic_masked": [1, None, 10, 1], "pessimistic_masked": [1, None, 29, 4]}


def with_views(folder):
    """LIR's (1, 2), (1, 2), (11, 30), (1, 4): u2's target is the last item; nobody's text is known."""
    ranks = pd.read_parquet(folder / "ranks.parquet")
    none = dict.fromkeys(("optimistic_equivalent", "pessimistic_equivalent"), [None] * 4)
    ranks.assign(**MASKED, **none).to_parquet(folder / "ranks.parquet")
    return folder


def test_other_views_come_back_where_a_run_kept_them(write_run, tmp_path):
    folders = with_views(write_run("LIR")), write_run("SASRec")
    write_table_ranks(tmp_path, [row(folders[0], "LIR"), row(folders[1], "SASRec")], {"Tiny": FACTS})
    table = pd.read_parquet(tmp_path / RANKS_FILE)
    less = ["LIR, seed 1, optimistic - optimistic_masked", "LIR, seed 1, pessimistic - pessimistic_masked"]
    assert [name for name in table if " - " in name] == less
    assert table[less].dtypes.tolist() == ["Int32", "Int32"]
    assert table[less[1]].tolist() == [pd.NA, 1, pd.NA, 1, 0]
    found = read_table_ranks(tmp_path)
    assert list(found["Tiny", "SASRec", 1]) == ["item_id", "optimistic", "pessimistic"]
    assert found["Tiny", "LIR", 1]["pessimistic"].tolist() == [2, 2, 30, 4]
    own, there = without_last_item(read_ranks(folders[0])), without_last_item(found["Tiny", "LIR", 1])
    assert there[["optimistic", "pessimistic"]].to_numpy().tolist() == [[1, 1], [10, 29], [1, 4]]
    pd.testing.assert_frame_equal(
        metric_vectors(there).reset_index(drop=True), metric_vectors(own).reset_index(drop=True)
    )


def test_a_view_of_one_data_set_alone_is_not_there_on_another(write_run, tmp_path):
    folders = with_views(write_run("LIR", dataset="Tiny")), write_run("LIR", dataset="Arts")
    rows = [row(folder, "LIR", name) for folder, name in zip(folders, ("Tiny", "Arts"), strict=True)]
    write_table_ranks(tmp_path, rows, {"Tiny": FACTS, "Arts": FACTS})
    found = read_table_ranks(tmp_path)
    assert "optimistic_masked" in found["Tiny", "LIR", 1]
    assert list(found["Arts", "LIR", 1]) == ["item_id", "optimistic", "pessimistic"]


def test_a_table_of_before_the_views_is_read(tmp_path):
    table = pd.DataFrame({"dataset": "Tiny", "user": [0, 1], "target": ["a", "b"]}).assign(
        **{"LIR, seed 1, optimistic": [1, 2], "LIR, seed 1, pessimistic": [1, 4]}
    )
    table.to_parquet(tmp_path / RANKS_FILE)
    (found,) = read_table_ranks(tmp_path).values()
    assert found.reset_index().to_numpy().tolist() == [[0, "a", 1, 1], [1, "b", 2, 4]]
    with pytest.raises(DataError, match=r"no \*_masked columns"):
        without_last_item(found)


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
            low = rng.integers(2, 5_292, len(users))
            high = low + rng.integers(0, 9, len(users))
            self.ranks = facts.rename(columns={"target": "item_id"}).assign(optimistic=low, pessimistic=high)
            self.views = dict.fromkeys(("masked", "equivalent"), self.ranks)
            for case, ranks in (("optimistic", low), ("pessimistic", high)):
                self.ranks[f"{case}_masked"] = ranks - rng.integers(0, 2, len(users))
                self.ranks[f"{case}_equivalent"] = ranks - (rng.random(len(users)) < 0.05)

    rows = [Row(f"row {n}", "LIR", "Scientific", [Kept()]) for n in range(13)]
    write_table_ranks(tmp_path, rows, {"Scientific": facts})
    assert (tmp_path / RANKS_FILE).stat().st_size < 900_000
