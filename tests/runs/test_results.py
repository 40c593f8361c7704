"""What a run came to: its files, and what people read."""

import json

import torch

from calrec_recbole.evaluation import RankTable
from calrec_recbole.runs.results import RunResult, print_result, write_results

METRICS = {"ndcg_opt@10": 0.5, "ndcg_exp@10": 0.375, "ndcg_pes@10": 0.25}


def result(folder, **changes):
    users = {"valid": 3, "test": 2, "test_in_all": 5}
    return RunResult(
        **{"folder": folder, "valid": METRICS, "test": METRICS, "best_valid_score": 0.25, "users": users} | changes
    )


def ranks():
    ones = torch.ones(2, dtype=torch.int64)
    last = torch.tensor([1, 4])
    return RankTable(torch.tensor([1, 2]), torch.tensor([2, 1]), ones, last, ones, last, ones, last)


def test_metrics_come_last_and_say_how_many_are_left(tmp_path):
    tokens = ["[PAD]", "u", "v"], ["[PAD]", "a", "b"]
    write_results(tmp_path, ranks(), tokens, {"seed": 7}, result(tmp_path, left=3))
    assert {file.name for file in tmp_path.iterdir()} == {"ranks.parquet", "environment.json", "metrics.json"}
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "valid": METRICS,
        "test": METRICS,
        "ties": {"tied": 0.5, "tied_items": 4.0},
        "left": 3,
    }
    assert json.loads((tmp_path / "environment.json").read_text()) == {"seed": 7}


def test_without_ranks_those_of_before_go(tmp_path):
    (tmp_path / "ranks.parquet").write_text("of an earlier evaluation")
    write_results(tmp_path, RankTable.concatenate([]), ([], []), {}, result(tmp_path, test={}))
    assert not (tmp_path / "ranks.parquet").exists()
    assert "left" not in json.loads((tmp_path / "metrics.json").read_text())


def test_the_table_has_the_three_cases_of_both_parts_in_four_digits(tmp_path, capsys):
    print_result(result(tmp_path / "Tiny" / "Pop" / "1-ab"))
    told = capsys.readouterr().out
    assert "Tiny Pop" in told
    (row,) = [line for line in told.splitlines() if "ndcg@10" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["ndcg@10", *["0.5000", "0.3750", "0.2500"] * 2]
    assert "users: 3 valid, 2 test\n" in told


def test_an_unfinished_test_and_one_without_ranks_name_the_command(tmp_path, capsys):
    print_result(result(tmp_path, left=3))
    assert "2 test of 5: the run's command goes on with the others" in capsys.readouterr().out
    print_result(result(tmp_path, test={}))
    assert f"calrec rank --run={tmp_path} makes them" in capsys.readouterr().out
