"""A fit without RecBole: validations by a function, the best weights, early stopping, states to go on from."""

import json
import threading
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file

from calrec_recbole.errors import ConfigError
from calrec_recbole.training import Fit, FitSettings, StoppedError, Validation
from calrec_recbole.training import training_state as checkpoint
from calrec_recbole.training.progress import Progress
from calrec_recbole.training.training_state import StateWriter, load_state, save_state

STEPS = {"train_steps": 8, "learning_rate": 1e-2, "lr_warmup_steps": 1}


class Log:
    def __init__(self):
        self.steps, self.flushed = [], 0

    def add(self, report):
        self.steps.append(report.step)

    def flush(self):
        self.flushed += 1


class Judge:
    """Answers with the scores given for each step, and remembers when it was asked."""

    def __init__(self, training, scores):
        self.training, self.scores, self.asked = training, scores, []

    def __call__(self):
        step = self.training.step
        self.asked.append(step)
        return Validation(self.scores.get(step, 0.0), {"mrr": self.scores.get(step, 0.0)}, 3.5, 7)


@pytest.fixture
def fit_of(tiny_training, tmp_path):
    def make(scores=None, folder=tmp_path / "checkpoint", stop_requests=None, steps=STEPS, **settings):
        training = tiny_training(dropout=0.2, **steps)
        judge = Judge(training, scores or {})

        def write_weights(place, state):
            place.mkdir(parents=True, exist_ok=True)
            save_file(
                {name: part.detach().clone() for name, part in training.backbone.model.named_parameters()},
                place / "model.safetensors",
            )
            (place / "state.json").write_text(json.dumps(state))

        fit = Fit(
            training,
            FitSettings(**{"eval_interval": 2, "stopping_step": 0, **settings}),
            Progress("1-ab", "words"),
            Log(),
            write_weights,
            folder,
            judge if scores is not None else None,
            **({"stop_requests": stop_requests} if stop_requests else {}),
        )
        fit.judge = judge
        return fit

    return make


def weights(training):
    return {name: part.detach().clone() for name, part in training.backbone.model.named_parameters()}


def test_the_best_weights_are_kept_and_the_last_step_is_judged(fit_of):
    torch.manual_seed(2)
    fit = fit_of({2: 0.1, 4: 0.4, 6: 0.3, 8: 0.2})
    found = fit.run()
    assert fit.judge.asked == [2, 4, 6, 8]
    assert fit.log.steps == list(range(8))
    assert (found.best_step, found.best_score, found.best_nats, found.users) == (4, 0.4, 3.5, 7)
    state = json.loads((fit.folder / "best" / "state.json").read_text())
    assert state == {"run": "1-ab", "step": 4, "nats": 3.5, "users": 7, "valid": {"mrr": 0.4}}
    torch.manual_seed(2)
    other = fit_of({}, folder=None)
    other.training.run(4, lambda report: None)
    best = load_file(fit.folder / "best" / "model.safetensors")
    assert all(torch.equal(part, best[name]) for name, part in weights(other.training).items())


def test_it_stops_after_validations_that_do_not_improve(fit_of):
    fit = fit_of({2: 0.5, 4: 0.5, 6: 0.4, 8: 0.9}, stopping_step=2)
    assert fit.run().best_step == 2  # an equal score is no better one
    assert fit.judge.asked == [2, 4, 6]


def test_the_last_weights_can_be_taken_whatever_the_validations_say(fit_of):
    fit = fit_of({2: 0.9, 4: 0.5, 6: 0.1, 8: 0.3}, stopping_step=1, selected_weights="last")
    found = fit.run()
    assert fit.judge.asked == [2, 4, 6, 8]  # a worse one ends nothing
    assert (found.best_step, found.best_score) == (8, 0.3)
    best = load_file(fit.folder / "best" / "model.safetensors")
    assert all(torch.equal(part, best[name]) for name, part in weights(fit.training).items())


def test_the_warm_up_ends_with_a_validation_and_does_not_count_for_stopping(fit_of):
    """The validations of steps 2 and 4 lie in it; those of 5 and 6 are the first two after it."""
    fit = fit_of({}, steps={**STEPS, "warmup_steps": 5}, eval_interval=2, stopping_step=2)
    fit.run()
    assert fit.judge.asked == [2, 4, 5, 6]


def test_without_validation_the_last_weights_are_kept(fit_of):
    fit = fit_of()
    fit.run()
    assert json.loads((fit.folder / "best" / "state.json").read_text()) == {"run": "1-ab", "step": 8}


def test_weights_of_every_kept_interval_stay(fit_of):
    fit = fit_of({}, keep_interval=3)
    fit.run()
    assert sorted(path.name for path in fit.folder.glob("step-*")) == ["step-3", "step-6"]


def test_weights_that_are_not_trained_are_judged_and_kept(fit_of):
    fit = fit_of({0: 0.3}, steps={"train_steps": 0})
    assert fit.run().best_step == 0
    assert json.loads((fit.folder / "best" / "state.json").read_text())["step"] == 0


def test_nothing_is_written_without_a_folder(fit_of, tmp_path):
    fit_of({4: 1.0}, folder=None).run()
    assert list(tmp_path.iterdir()) == []


def told_after(steps):
    """Somebody asks for a stop after so many questions."""
    left = [steps]

    @contextmanager
    def told():
        def came():
            left[0] -= 1
            return left[0] < 0

        yield came

    return told


@pytest.mark.parametrize("questions", [1, 3, 4, 8])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(fit_of, questions, tmp_path):
    scores = {2: 0.1, 4: 0.4, 6: 0.3, 8: 0.2}
    torch.manual_seed(2)
    whole = fit_of(scores, folder=tmp_path / "whole")
    expected = whole.run()
    torch.manual_seed(2)
    first = fit_of(scores, stop_requests=told_after(questions))
    with pytest.raises(StoppedError):
        first.run()
    assert 0 < first.training.step < 8
    assert first.log.flushed > 0
    torch.manual_seed(99)
    second = fit_of(scores)
    assert second.resume()
    assert second.training.step == first.training.step
    found = second.run()
    assert (found.best_step, found.best_score) == (expected.best_step, expected.best_score)
    assert all(torch.equal(part, weights(whole.training)[name]) for name, part in weights(second.training).items())


def test_there_is_nothing_to_resume_in_a_new_folder(fit_of):
    assert not fit_of({}).resume()
    assert not fit_of({}, folder=None).resume()


def test_a_budget_stretches_the_interval_with_the_steps(fit_of):
    fit = fit_of({}, steps={**STEPS, "train_minutes": 1.0})
    fit.training.settings = fit.training.settings.__class__(**{**vars(fit.training.settings), "train_steps": 20})
    assert fit.eval_interval == 5


def test_a_state_in_the_background_is_that_of_its_moment(tiny_training, tmp_path, monkeypatch):
    """The thread is held up until three more steps are done."""
    torch.manual_seed(2)
    run, gate = tiny_training(dropout=0.2, **STEPS), threading.Event()
    run.run(3, lambda report: None)
    save_state(run, {"note": 1}, tmp_path / "at once")
    write = checkpoint._write

    def held_up(*arguments):
        assert gate.wait(30)
        write(*arguments)

    monkeypatch.setattr(checkpoint, "_write", held_up)
    writer = StateWriter(background=True)
    writer.write(run, {"note": 1}, tmp_path / "background")
    run.run(6, lambda report: None)
    assert not (tmp_path / "background").exists()
    gate.set()
    writer.finish()
    for name in ("state.safetensors", "progress.json"):
        assert (tmp_path / "background" / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
    other = tiny_training(dropout=0.2, **STEPS)
    assert load_state(other, tmp_path / "background") == {"note": 1}
    other.run(6, lambda report: None)
    assert all(torch.equal(part, weights(run)[name]) for name, part in weights(other).items())


def test_what_goes_wrong_in_the_background_is_raised_by_the_next_call(tiny_training, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write", full)
    writer, run = StateWriter(background=True), tiny_training()
    writer.write(run, {}, tmp_path / "last")
    with pytest.raises(OSError, match="No space left"):
        writer.finish()
    writer.finish()  # told once


@pytest.mark.parametrize(
    ("setting", "value"),
    [("eval_interval", 0), ("keep_interval", -1), ("stopping_step", -1), ("checkpoint_minutes", float("nan"))],
)
def test_an_interval_that_is_too_small_is_named(setting, value):
    with pytest.raises(ConfigError, match=rf"{setting}={value} must be (at least|a finite number)"):
        FitSettings(**{setting: value})


def test_what_weights_can_be_selected_is_named():
    with pytest.raises(ConfigError, match="selected_weights='lst' must be one of best, last; did you mean 'last'"):
        FitSettings(selected_weights="lst")
