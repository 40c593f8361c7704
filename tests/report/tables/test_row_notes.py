"""What is said of how rows came to be."""

import json

import pytest

from calrec_recbole.report.inputs.finished_runs import read_run
from calrec_recbole.report.tables.metric_tables import metric_table
from calrec_recbole.report.tables.row_notes import row_notes, ties_note
from calrec_recbole.report.tables.text_tables import latex, markdown
from tests.report.tables.test_metric_tables import rows


def curve(*values):
    lines = [f"{epoch},{60 * epoch},valid/ndcg_pes@10,{value}" for epoch, value in enumerate(values, 1)]
    return "\n".join(["step,seconds,metric,value", *lines]) + "\n"


def of_commit(folder, commit):
    file = folder / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"commit": commit}))
    return folder


@pytest.mark.parametrize(
    ("values", "settings", "stopped"),
    [
        ((0.1, 0.2, 0.3), {"epochs": 3, "stopping_step": 2}, True),  # it was still rising
        ((0.3, 0.2, 0.1), {"epochs": 3, "stopping_step": 2}, True),  # two worse ones are allowed, a third ends it
        ((0.3, 0.2, 0.1), {"epochs": 3, "stopping_step": 1}, False),
        ((0.3, 0.2, 0.3, 0.1), {"epochs": 4, "stopping_step": 1}, True),  # an equal one counts as the best
        ((0.1, 0.2), {"epochs": 300, "stopping_step": 10}, False),  # ended earlier by something else
        ((0.1, 0.2, 0.3), {"epochs": 300, "train_steps": 3, "stopping_step": 2}, True),  # steps, not epochs
        ((0.3, 0.2, 0.1), {"train_steps": 3, "stopping_step": 2}, False),  # CALRec's second worse one ends it
        ((0.3, 0.2, 0.1), {"train_steps": 3, "stopping_step": 3}, True),
        ((0.3, 0.2, 0.1), {"train_steps": 3, "stopping_step": 0}, True),  # without patience
        ((0.3, 0.2), {"train_steps": 3, "stopping_step": 1}, False),
    ],
)
def test_training_that_its_budget_ended(write_run, values, settings, stopped):
    folder = write_run("SASRec", curves=curve(*values), **settings)
    assert read_run(folder).stopped is stopped
    (row,) = rows(folder)
    (printed,) = metric_table([row], {}, whole=True)
    assert printed.mark == ("†" if stopped else "")
    assert ("SASRec†" in markdown({"Tiny": [printed]}, "T", "", [])) is stopped
    assert (r"SASRec\dag{}" in latex({"Tiny": [printed]}, "T", "")) is stopped
    assert ("† Stopped by the budget of epochs or steps, not by patience: SASRec." in row_notes([row])) is stopped


@pytest.mark.parametrize(
    ("line", "stopped"),
    [("stage 2 ends by its budget of 9 epochs", True), ("stage 2 ends: 3 validations without a better one", False)],
)
def test_training_of_two_stages_is_told_by_its_log(write_run, line, stopped):
    folder = write_run("Recformer", [(1, 1)], curves=curve(0.1, 0.2, 0.3), epochs=2, stage2_epochs=1)
    (folder / "log.txt").write_text(f"INFO {line}\nINFO test: ndcg_opt@10 0.1\n")
    assert read_run(folder).stopped is stopped


def test_a_trained_row_without_a_curve_is_named_and_an_untrained_one_is_not(write_run):
    folders = [write_run("SASRec"), write_run("LIR")]
    for folder in folders:
        (folder / "curves.csv").unlink()
    assert row_notes(rows(*folders)) == ["How the training ended is unknown, as no learning curve is there: SASRec."]


def test_commits_are_told_and_the_one_of_most_rows_comes_last(write_run):
    old, *new = (of_commit(write_run("LIR", name=f"1-{commit}{n}"), commit) for n, commit in enumerate("abb"))
    assert row_notes(rows(old, *new, labels=["A", "B", "C"])) == ["Code: A of a; the other rows of b."]
    assert row_notes(rows(*new, labels=["B", "C"])) == ["Code: all rows of b."]
    without = write_run("LIR", name="1-without")
    assert row_notes(rows(without, labels=["D"])) == []
    assert row_notes(rows(*new, without, labels=["B", "C", "D"])) == [
        "Code: D of an unrecorded commit; the other rows of b."
    ]


def test_the_share_of_targets_that_tie_is_told(write_run):
    """LIR's ranks (1, 2), (1, 2), (11, 30), (1, 4): all four tie, over 2, 2, 20 and 4 items."""
    assert ties_note(rows(write_run("SASRec"), write_run("LIR"))) == "Targets that tie: LIR 100.0 % (over 7.0 items)."
    assert ties_note(rows(write_run("SASRec", name="other"))) == ""


def test_the_ties_of_a_row_are_those_of_all_its_seeds(write_run):
    """One of two targets ties over 2 items, then both over 4 and 6: three of four, over (2 + 4 + 6) / 3."""
    first = write_run("LIR", ranks=[(1, 1), (1, 2)], name="1-a", seed=1)
    second = write_run("LIR", ranks=[(1, 4), (3, 8)], name="2-b", seed=2)
    both = rows(first, second, labels=["LIR", "LIR"])
    assert ties_note(both) == "Targets that tie: LIR 75.0 % (over 4.0 items)."
