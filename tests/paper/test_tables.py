"""The transcription, by what the paper's cells say about each other."""

import pandas as pd
import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.evaluation import parse_metric
from calrec_recbole.paper import METRICS, TABLES, paper_statistics, paper_table
from calrec_recbole.plugin.registry import known_models

CATEGORIES = ["Scientific", "Instruments", "Arts", "Office", "Games", "Pet"]
CASES = ["optimistic", "pessimistic"]
KEYS = ["dataset", "metric", "system"]
ROUNDED = 0.5e-4 * 1.01  # half of the last digit printed


def cells(number):
    return paper_table(number).set_index(KEYS)


@pytest.mark.parametrize(
    ("number", "rows"), [(1, 6), (2, 7 * 4 * 9), (3, 60), (4, 8), (5, 24), (6, 8), (7, 48), (8, 24)]
)
def test_every_cell_is_there_once(number, rows):
    table = paper_table(number)
    assert len(table) == rows
    assert not table.duplicated([key for key in KEYS if key in table]).any()
    assert table["dataset"].isin([*CATEGORIES, "Average"]).all()


def test_some_cells_by_eye():
    main = cells(2)
    assert main.loc[("Scientific", "NDCG@10", "LIR"), CASES].tolist() == [0.0565, 0.0486]
    assert main.loc[("Pet", "Recall@1", "RecFormer"), CASES].tolist() == [0.0377, 0.0130]
    assert main.loc[("Arts", "Recall@10", "UniSRec (ID+text)"), CASES].tolist() == [0.1320, 0.1320]
    assert main.loc[("Arts", "Recall@10", "CALRec"), "improvement"] == -13.6
    assert cells(3).loc[("Games", "MRR", "w/o Category-Specific Fine-Tuning (B)"), CASES].tolist() == [0.0463, 0.0451]
    assert cells(4).loc[("Average", "Recall@10", "CALRec"), "p_pessimistic"] == 0.019
    assert cells(6)["optimistic"].iloc[-1] == 0.0179
    assert cells(8).loc[("Games", "MRR", "CALRec, hierarchical match"), "format_error"] == 0.05
    assert paper_table(1).set_index("dataset").loc["Pet", "items"] == 37712


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 8])
def test_the_pessimistic_case_is_never_better(number):
    table = paper_table(number)
    assert (table["pessimistic"] <= table["optimistic"]).all()


def test_averages_are_the_means_of_six_categories_but_for_one_cell():
    main = cells(2)[CASES]
    means = main.drop("Average", level="dataset").groupby(["metric", "system"]).mean()
    off = (main.loc["Average"] - means).abs().stack()
    differing = off[off > ROUNDED]
    assert list(differing.index) == [("Recall@1", "LIR", "pessimistic")]
    assert differing.iloc[0] == pytest.approx(0.0036 - 0.0202 / 6)


def test_improvements_are_those_over_the_best_baseline_but_for_one_cell():
    by_system = cells(2)["optimistic"].unstack("system")
    gain = 100 * (by_system["CALRec"] / by_system.drop(columns="CALRec").max(axis=1) - 1)
    printed = cells(2)["improvement"].xs("CALRec", level="system")
    off = (gain - printed)[(gain - printed).abs() > 0.0505]
    assert list(off.index) == [("Pet", "NDCG@10")]
    assert abs(off.iloc[0]) < 0.06


def test_tables_3_4_and_5_repeat_what_others_hold():
    main, ablation = cells(2)[CASES], cells(3)[CASES]
    own = ablation.xs("CALRec", level="system")
    pd.testing.assert_frame_equal(own, main.xs("CALRec", level="system").loc[own.index])
    contrast = cells(4)[CASES].xs("CALRec", level="system")
    pd.testing.assert_frame_equal(contrast, main.xs("CALRec", level="system").loc[contrast.index])
    untuned = cells(5)[CASES].xs("PaLM-2 XXS", level="system")
    bare = ablation.xs("Pretrained PaLM-2 (w/o Fine-Tuning)", level="system")
    pd.testing.assert_frame_equal(untuned, bare.loc[untuned.index])


@pytest.mark.parametrize("case", CASES)
def test_improvements_of_table_4(case):
    table = cells(4).loc["Average"]
    ours, without = (table.xs(name, level="system") for name in ("CALRec", "w/o Contrastive Alignment"))
    gain = 100 * (ours[case] / without[case] - 1)
    assert (gain - ours[f"improvement_{case}"]).abs().max() < 0.00505


def test_table_7_holds_lir_of_table_2_and_its_changes():
    table, main = cells(7), cells(2)["optimistic"].xs("LIR", level="system")
    with_dedup = table.xs("LIR w/ dedup", level="system")
    pd.testing.assert_series_equal(with_dedup["optimistic"], main.loc[with_dedup.index])
    change = 100 * (with_dedup["optimistic"] / table.xs("LIR w/o dedup", level="system")["optimistic"] - 1)
    assert (change - with_dedup["change"]).abs().max() < 0.505


def test_changes_of_table_8_are_of_the_mean_of_both_cases_but_for_one_cell():
    table = cells(8).droplevel("system")
    main = cells(2).xs("CALRec", level="system").loc[table.index]
    change = 100 * (table[CASES].sum(axis=1) / main[CASES].sum(axis=1) - 1)
    off = (change - table["change"])[(change - table["change"]).abs() > 0.0505]
    assert list(off.index) == [("Office", "NDCG@10")]
    assert abs(off.iloc[0]) < 0.06


def test_names_lead_to_ours():
    assert set(paper_table(2)["model"]) <= set(known_models())
    assert set(paper_table(2)["metric"]) == set(METRICS)
    for name in METRICS.values():
        stem, at, k = name.partition("@")
        assert parse_metric(f"{stem}_pes{at}{k}")


def test_table_1_is_that_of_the_statistics():
    table = paper_table(1).set_index("dataset")
    assert table.loc["Scientific", "users"] == paper_statistics()["Scientific"].users == 9461


def test_the_answer_may_be_changed():
    paper_table(2)["optimistic"] = 0
    assert paper_table(2)["optimistic"].min() > 0


def test_every_table_has_a_title_and_no_other_is_known():
    assert sorted(TABLES) == list(range(1, 9))
    with pytest.raises(ConfigError, match="table=9 must be one of 1 to 8"):
        paper_table(9)
