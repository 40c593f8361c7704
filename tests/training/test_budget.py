"""A budget of minutes becomes a number of steps, and the phases keep their shares of it."""

import pytest
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.training import TrainingSettings, load_state, save_state
from calrec_recbole.training.budget import laid_over, seconds_of, steps_within
from calrec_recbole.training.micro_batches import feed


def test_steps_are_what_the_minutes_hold_by_hand():
    """3 of 4 steps are warm-up, of .2 s, the others take .5 s: .275 s on average; .97 of 2 minutes are 116.4 s."""
    recipe = TrainingSettings(train_steps=400, warmup_steps=300, train_minutes=2.0)
    assert steps_within(recipe, 0.2, 0.5) == int(116.4 / 0.275) == 423
    assert steps_within(TrainingSettings(train_steps=400, train_minutes=2.0), 0.0, 0.5) == 232
    assert steps_within(recipe, 1e9, 1e9) == 1


def test_phases_keep_their_shares():
    recipe = TrainingSettings(train_steps=745, warmup_steps=655, lr_warmup_steps=60, train_minutes=2.0)
    found = laid_over(recipe, 1490)
    assert (found.train_steps, found.warmup_steps, found.lr_warmup_steps) == (1490, 1310, 120)
    assert found.train_minutes == 0
    short = laid_over(recipe, 7)
    assert (short.train_steps, short.warmup_steps, short.lr_warmup_steps) == (7, 6, 1)
    assert laid_over(TrainingSettings(train_steps=9, warmup_steps=9), 2).warmup_steps == 2


def test_the_first_gradient_is_not_timed():
    now, seen = [0.0], []

    def gradient(step):
        seen.append(step)
        now[0] += 100.0 if step == 5 else 2.0

    assert seconds_of(gradient, 5, lambda: now[0]) == 2.0
    assert seen == [5, 6, 7, 8]


@pytest.fixture
def clock(monkeypatch):
    """A clock that each gradient of the warm-up moves by .1 s and each other one by .3 s."""
    now = [0.0]
    tried = feed.Feed._tried

    def timed(self, step):
        tried(self, step)
        now[0] += 0.1 if step < self.settings.warmup_steps else 0.3

    monkeypatch.setattr(feed.Feed, "_tried", timed)
    monkeypatch.setattr(feed.time, "perf_counter", lambda: now[0])


RECIPE = {"train_steps": 10, "warmup_steps": 8, "lr_warmup_steps": 5, "lr_schedule": "cosine", "learning_rate": 1e-2}


def losses(run, until=10**6):
    found = []
    run.run(until, lambda report: found.append((report.total, report.learning_rate)))
    return found


@pytest.mark.usefixtures("clock")
def test_a_budget_trains_as_the_steps_that_come_of_it(tiny_training, caplog):
    """.14 s a step on average, .97 of .06 minutes are 3.492 s: 24 steps. Dropout included: a trial draws nothing."""
    torch.manual_seed(3)
    run = tiny_training(dropout=0.2, **RECIPE, train_minutes=0.06)
    with caplog.at_level("INFO"):
        found = losses(run)
    assert len(found) == 24
    assert "train_minutes: 0.06 hold 24 steps, 19 of them warm-up (0.100 s a step, then 0.300 s)" in caplog.text
    torch.manual_seed(3)
    repeated = {**RECIPE, "train_steps": 24, "warmup_steps": 19, "lr_warmup_steps": 12}
    assert losses(tiny_training(dropout=0.2, **repeated)) == found


@pytest.mark.usefixtures("clock")
def test_a_resumed_budget_keeps_its_schedule(tiny_training, tmp_path, monkeypatch):
    torch.manual_seed(3)
    whole = losses(tiny_training(dropout=0.2, **RECIPE, train_minutes=0.06))
    torch.manual_seed(3)
    first = tiny_training(dropout=0.2, **RECIPE, train_minutes=0.06)
    found = losses(first, 7)
    save_state(first, {}, tmp_path / "last")

    def slower(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(feed, "seconds_of", slower)
    second = tiny_training(dropout=0.2, **RECIPE, train_minutes=0.06)
    load_state(second, tmp_path / "last")
    assert second.settings.train_steps == 24
    assert found + losses(second) == whole


def test_a_state_without_a_plan_is_refused_where_there_is_a_budget(tiny_training, tmp_path):
    run = tiny_training(**RECIPE)
    run.run(1, lambda report: None)
    save_state(run, {}, tmp_path / "last")
    file = tmp_path / "last" / "progress.json"
    file.write_text('{"step": 1}')
    with pytest.raises(DataError, match=r"holds no plan"):
        load_state(tiny_training(**RECIPE, train_minutes=1.0), tmp_path / "last")


@pytest.mark.parametrize("steps", ["5", -1, True, None])
def test_a_plan_of_nonsense_is_refused(tiny_training, tmp_path, steps):
    run = tiny_training(**RECIPE)
    run.run(1, lambda report: None)
    plan = {**run.planned(), "micro_batch_tokens": steps}
    with pytest.raises((ValueError, TypeError)):
        run.take_plan(plan)


def test_a_budget_needs_the_proportions_of_a_recipe():
    with pytest.raises(ConfigError, match=r"train_minutes=2.0 keeps the proportions of train_steps, which is 0"):
        TrainingSettings(train_steps=0, train_minutes=2.0)
    with pytest.raises(ConfigError, match=r"train_minutes=-1 must be at least 0"):
        TrainingSettings(train_steps=5, train_minutes=-1)
