"""What each row cost, and what was not recorded."""

import json
import math

import pytest

from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.rows import rows_of
from calrec_recbole.report.tables.cost_table import TITLES, budget, cost_table
from calrec_recbole.report.tables.row_notes import row_notes


def costs(folder):
    model = folder.parent.name
    cells = cost_table(rows_of(Manifest("x", "X", entries=[Entry(model, model, "Tiny", str(folder))])))[model]
    return dict(zip(TITLES, cells, strict=True))


def test_costs_device_and_budget_of_a_row(write_run):
    found = costs(write_run("SASRec", stopping_step=5))
    assert found["Training"].text == "1 min 40 s"  # 90 s, and 10 s before it was resumed
    assert found["Training"].value == 100
    assert found["Evaluation, a user"].text == "100.00 ms"  # 0.4 s for 4 users
    assert found["Peak memory"].text == "2.0 GiB"
    assert found["On"].text == "CPU, 2 threads"
    assert found["Training allowed"].text == "3 epochs, patience 5"
    assert found["Users, test"].text == "4"


def test_the_search_behind_the_settings_is_told(write_run):
    tuning = {"trials": 20, "cpu_minutes": 29.84, "chosen": {"learning_rate": 0.00312345, "n_layers": 2}}
    found = costs(write_run("SASRec", tuning=tuning, learning_rate=0.00312345, n_layers=2))
    assert found["Tuning"].text == "20 trials, 29.84 CPU minutes: learning_rate=0.003123, n_layers=2"
    assert found["Tuning"].wraps
    assert costs(write_run("LIR"))["Tuning"].text == "none"


def test_parameters_are_told_where_they_were_recorded(write_run):
    folder = write_run("SASRec")
    assert costs(folder)["Parameters"].text == "not recorded"
    assert math.isnan(costs(folder)["Parameters"].value)
    file = folder / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"parameters": 3_512_000}))
    assert (costs(folder)["Parameters"].text, costs(folder)["Parameters"].value) == ("3.5 M", 3_512_000)
    assert costs(write_run("LIR"))["Parameters"].text == "none"


@pytest.mark.parametrize(("model", "parameters"), [("LIR", None), ("GivenScores", None), ("Own", 0)])
def test_what_is_not_trained_has_no_budget(write_run, model, parameters):
    folder = write_run(model, ranks=[(1, 1)], epochs=300)
    (folder / "curves.csv").unlink()
    file = folder / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"parameters": parameters}))
    found = costs(folder)
    assert (found["Training allowed"].text, found["Parameters"].text) == ("none", "none")
    row = Entry("Mine", "Mine", "Tiny", str(folder))  # given scores go by the name of their system
    assert row_notes(rows_of(Manifest("x", "X", entries=[row]))) == []


def test_nothing_recorded_is_a_dash(write_run):
    folder = write_run("SASRec")
    (folder / "environment.json").write_text("{}")
    found = costs(folder)
    assert [found[name].text for name in ("Evaluation, a user", "Peak memory", "On", "Users, test")] == ["–"] * 4


def test_budgets():
    assert budget("CALRec", {"train_steps": 0, "epochs": 300}) == "none"
    assert budget("UniSRec", {"epochs": 25, "pretrain_epochs": 300, "stopping_step": 10}) == "25 epochs, patience 10"
    assert budget("Recformer", {"epochs": 12, "stage2_epochs": 3, "pretrain_epochs": 5}) == "12 + 3 epochs"
    assert budget("Other", {}) == "not recorded"
