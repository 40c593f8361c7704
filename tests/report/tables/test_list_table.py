"""What the lists of a row show, of the runs that kept it."""

import json
from dataclasses import replace

import pandas as pd

from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.rows import Row
from calrec_recbole.report.tables.list_table import list_table


def run_of(write_run, lists, **settings):
    folder = write_run("SASRec", **settings)
    file = folder / "metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lists": lists}))
    return read_run(folder)


def row(label, *runs):
    return Row(label, "SASRec", "Tiny", runs)


def test_bounds_stand_beside_where_they_are_apart(write_run):
    first = run_of(write_run, {"coverage_low@10": 0.1, "coverage_exp@10": 0.2, "coverage_high@10": 0.3}, seed=1)
    second = run_of(write_run, {"coverage_low@10": 0.3, "coverage_exp@10": 0.4, "coverage_high@10": 0.5}, seed=2)
    plain = run_of(write_run, {"novelty_low@10": 3.5, "novelty_exp@10": 3.5, "novelty_high@10": 3.5}, seed=3)
    without = read_run(write_run("LIR"))
    found = list_table([row("A", first, second), row("B", plain), row("C", without), row("failed")])
    assert found == {
        "A": {"coverage@10": ".3000 (.2000 to .4000)", "novelty@10": "–"},
        "B": {"coverage@10": "–", "novelty@10": "3.50"},
    }


def test_lists_over_other_users_are_left_out(write_run):
    run = run_of(write_run, {"gini_exp@10": 0.75})
    assert list_table([row("A", run)]) == {"A": {"gini@10": ".7500"}}
    assert list_table([row("A", run.on(pd.Index(["u1", "u2"])))]) == {}
    assert list_table([row("A", run.on(run.ranks.index))]) == {"A": {"gini@10": ".7500"}}
    assert list_table([row("A", run, replace(run, metrics={"test": {}}))]) == {}
