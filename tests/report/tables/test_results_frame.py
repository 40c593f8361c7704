"""results.csv: one line a run."""

import pandas as pd
import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.tables.results_frame import results_frame


def test_each_seed_is_a_line_and_a_failed_row_says_why(write_run):
    folders = [str(write_run("SASRec", seed=seed)) for seed in (1, 2)]
    entries = [Entry("SASRec", "SASRec", "Tiny", folder) for folder in folders]
    broken = Entry("LIR", "LIR", "Tiny", "", error="it failed")
    frame = results_frame(rows_of(Manifest("all", "All", entries=[*entries, broken])))
    assert frame["label"].tolist() == ["SASRec", "SASRec", "LIR"]
    assert frame["seed"].tolist()[:2] == [1, 2]
    assert frame["folder"].tolist()[:2] == folders
    assert frame["error"].tolist() == ["", "", "it failed"]
    one = frame.iloc[0]
    assert one["users"] == 4
    assert one["mrr_opt"] == pytest.approx((1 + 1 / 2 + 1 / 20 + 1 / 3) / 4)  # ranks 1, 2, 20, 3
    assert one["valid_ndcg_pes@10"] == 0.3
    assert one["train_seconds"] == 100.0  # 90, and 10 before it was interrupted
    assert one["test_milliseconds_per_user"] == pytest.approx(100.0)  # 0.4 s for 4 users
    assert one["peak_memory_mib"] == 2048.0


def test_other_views_of_the_ranks_are_columns_where_a_run_kept_them(write_run):
    folders = [write_run("SASRec"), write_run("LIR")]
    ranks = pd.read_parquet(folders[1] / "ranks.parquet")
    ranks.assign(optimistic_masked=[1, None, 10, 1], pessimistic_masked=[1, None, 29, 3]).to_parquet(
        folders[1] / "ranks.parquet"
    )
    entries = [Entry(model, model, "Tiny", str(folder)) for model, folder in zip(("A", "B"), folders, strict=True)]
    frame = results_frame(rows_of(Manifest("all", "All", entries=entries)))
    assert frame["masked_users"].tolist()[1] == 3
    assert frame["masked_recall_exp@1"].tolist()[1] == pytest.approx((1 + 1 / 3) / 3)
    assert frame["masked_recall_pes@1"].isna().tolist() == [True, False]
    assert "equivalent_users" not in frame
