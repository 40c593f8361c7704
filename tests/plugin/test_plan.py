"""What ``auto`` and a budget of minutes came to stands in config.yaml, and that file repeats the run."""

import yaml

from calrec_recbole.plugin.runner import run
from calrec_recbole.training.micro_batches import feed


def test_the_config_of_a_budget_repeats_it(calrec_settings, monkeypatch):
    """A step takes a hundredth of a second: .97 of .0032 minutes, .186 s, hold 18."""
    monkeypatch.setattr(feed, "seconds_of", lambda gradient, first, clock: 0.01)
    budget = run("CALRec", overrides={**calrec_settings, "train_minutes": 0.0032}, show=False)
    file = budget.folder / "config.yaml"
    written = yaml.safe_load(file.read_text())
    share = 18 / calrec_settings["train_steps"]
    assert written["train_steps"] == 18
    assert written["warmup_steps"] == round(share * calrec_settings["warmup_steps"])
    assert written["eval_interval"] == round(share * calrec_settings["eval_interval"])
    assert (written["train_minutes"], written["packing"], written["micro_batch_cost"]) == (0.0, True, 100)
    asked = file.read_text().splitlines()[0]
    assert asked.startswith("# asked for: {")
    assert "train_minutes: 0.0032" in asked
    assert "train_steps: 18" in (budget.folder / "checkpoint" / "best" / "README.md").read_text()
    again = run("CALRec", config_files=[file], show=False)
    assert again.folder.parent == budget.folder.parent
    assert again.folder.name != budget.folder.name
    assert (again.valid, again.test) == (budget.valid, budget.test)
    assert yaml.safe_load((again.folder / "config.yaml").read_text()) == written


def test_a_run_that_is_extended_keeps_its_plan(calrec_settings):
    """An evaluation of one user more writes the whole folder again."""
    short = {**calrec_settings, "train_minutes": 0.003, "evaluate_minutes": 1e-6, "eval_batch_size": 1}
    begun = run("CALRec", overrides=short, show=False)
    file = begun.folder / "config.yaml"
    written = yaml.safe_load(file.read_text())
    extended = run("CALRec", overrides=short, show=False)
    assert (extended.folder, extended.users["test"]) == (begun.folder, begun.users["test"] + 1)
    assert yaml.safe_load(file.read_text()) == written
    assert written["train_minutes"] == 0.0


def test_the_run_is_named_by_what_was_asked(calrec_settings):
    """``auto`` is hashed as auto: another device may make another number of it."""
    first = run("CALRec", overrides=calrec_settings, show=False)
    given = {**calrec_settings, "micro_batch_tokens": 8192}
    second = run("CALRec", overrides=given, show=False)
    assert yaml.safe_load((first.folder / "config.yaml").read_text())["micro_batch_tokens"] == 8192
    assert first.folder.name.partition("-2")[0] != second.folder.name
    assert first.test == second.test
