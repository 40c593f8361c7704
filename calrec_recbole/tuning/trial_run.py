"""One trial: a run that is watched at each validation, ended where it is pruned, and never tested."""

import math
import shutil
import time
from pathlib import Path

from optuna.trial import Trial, TrialState

from calrec_recbole.errors import ConfigError, StorageError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.environment import cpu_seconds
from calrec_recbole.runs.run_folder import CHECKPOINT, TENSORBOARD
from calrec_recbole.runs.sigterm import Terminated
from calrec_recbole.stored_files import one_line
from calrec_recbole.tuning.shared_study import SharedStudy, spent_minutes
from calrec_recbole.tuning.tuning_request import TuningRequest

__all__ = ["BUDGET", "PRUNED", "TrialEnd", "WatchedTrial", "run_trial"]

PRUNED, BUDGET = "pruned", "budget"
UNJUDGED = 3  # one part in so many: with large batches, few optimiser steps an epoch, a good trial starts slowly


class TrialEnd(Exception):  # noqa: N818 - it is no error
    """Ends a trial before its training is over; the one argument says why."""


class WatchedTrial:
    """A ``Watch`` that hands each validation to Optuna, and raises ``TrialEnd`` where the trial shall end."""

    def __init__(self, shared: SharedStudy, trial: Trial, minutes: float | None) -> None:
        self.shared, self.trial, self.minutes = shared, trial, minutes
        told = shared.trials()[trial.number].intermediate_values  # by the process that was killed inside this trial
        self.told, self.best = set(told), max(told.values(), default=-float("inf"))
        self.began, self.cpu_began = time.perf_counter(), cpu_seconds()
        self.folder: Path | None = None
        self.judged_from = 0

    def begins(self, folder: Path) -> None:
        """Keeps where the run lies."""
        self.folder = folder
        self.trial.set_user_attr("folder", str(folder))

    def trains(self, steps: int) -> None:
        """The first third of ``steps`` prunes nothing."""
        self.judged_from = math.ceil(steps / UNJUDGED)

    def validated(self, step: int, score: float) -> None:
        """Reports ``score``, and the costs so far."""
        self.best = max(self.best, score)
        if step not in self.told:
            self.trial.report(score, step)
            self.told.add(step)
        self.keep_cost()
        if step >= self.judged_from and self.trial.should_prune():
            raise TrialEnd(PRUNED)
        if self.minutes is not None and spent_minutes(self.shared.trials()) >= self.minutes:
            raise TrialEnd(BUDGET)

    def keep_cost(self) -> None:
        """Wall and CPU seconds of this process inside the trial."""
        self.trial.set_user_attr("seconds", round(time.perf_counter() - self.began, 3))
        self.trial.set_user_attr("cpu_seconds", round(cpu_seconds() - self.cpu_began, 3))

    def drop_weights(self) -> None:
        """Curves, settings and the log stay: the run on the test trains anew."""
        for name in (CHECKPOINT, TENSORBOARD) if self.folder else ():
            assert self.folder
            shutil.rmtree(self.folder / name, ignore_errors=True)


def run_trial(shared: SharedStudy, trial: Trial, request: TuningRequest, base: Config, minutes: float | None) -> None:
    """Runs ``trial`` to its end, whatever that is, and writes it down; ``minutes`` are those of the study.

    A full disk, Ctrl-C and SIGTERM pass, and the trial is repeated by the next process. Where a setting is refused, or
    the run fails otherwise, the trial has failed and keeps the reason.
    """
    watch = WatchedTrial(shared, trial, minutes)
    settings = request.trial_settings(base, trial.params)
    value: float | None = None
    ended = error = ""
    try:
        result = run(request.model, request.dataset, request.config_files, settings, show=False, watch=watch)
        if not watch.told:
            raise ConfigError("the run was never validated: let it train longer, or validate more often")
        state, value = TrialState.COMPLETE, float(result.best_valid_score)
    except TrialEnd as end:
        ended = str(end)
        state, value = (TrialState.PRUNED, None) if ended == PRUNED else (TrialState.COMPLETE, watch.best)
    except (KeyboardInterrupt, StorageError, Terminated):
        watch.keep_cost()
        shared.interrupted(trial)
        raise
    except Exception as problem:  # of these settings perhaps: what RecBole and torch raise is of any kind
        state, error = TrialState.FAIL, f"{type(problem).__name__}: {one_line(problem)}"
    watch.keep_cost()
    shared.end(trial, state, value, ended=ended, error=error)
    watch.drop_weights()
