"""A training from its first step to its last: validations, the best weights, early stopping, states to go on from.

Nothing here knows RecBole, ranks or data sets: a validation is a function that answers with a score.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from calrec_recbole.durable_files import recover_folder
from calrec_recbole.errors import DataError, not_one_of
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged, younger
from calrec_recbole.training.best_weights import best_step, check_best
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.loop import StepReport, Training
from calrec_recbole.training.progress import Progress
from calrec_recbole.training.training_state import StateWriter, load_state

__all__ = ["Fit", "FitSettings", "StepLog", "StoppedError", "Validation"]

logger = logging.getLogger(__name__)

SELECTIONS = BEST, LAST = "best", "last"


@dataclass(frozen=True)
class FitSettings:
    """When a fit validates, keeps weights and stops. Intervals are in optimiser steps."""

    eval_interval: int = ranged(640, "[1, 1e9]")  # between validations
    keep_interval: int = ranged(0, "[0, 1e9]")  # between weights that are kept for good in ``step-N``; 0: none
    stopping_step: int = ranged(3, "[0, 1e9]")  # validations without a better score before training stops; 0: never
    checkpoint_minutes: float = no_effect(
        5.0, within="[0, 1e6]"
    )  # between states on disk, besides those around validations
    report_interval: int = no_effect(20, within="[1, 1e9]")  # between reports to whoever follows the fit
    selected_weights: str = younger(BEST, neutral=BEST)  # of the best validation, or of the last one

    @property
    def takes_last(self) -> bool:
        return self.selected_weights == LAST

    def __post_init__(self) -> None:
        check_ranges(self, not_one_of("selected_weights", self.selected_weights, SELECTIONS))


class Validation(NamedTuple):
    """What the present weights are worth."""

    score: float  # higher is better
    result: dict[str, float]  # metrics by name
    nats: float  # -log P of a held-out item, nats
    users: int


class StepLog(Protocol):
    """Takes the report of each step."""

    def add(self, report: StepReport) -> None: ...

    def flush(self) -> None:
        """Tells of the steps since the last time."""


class StoppedError(Exception):
    """A fit ended before its last step because a stop was requested; its state is on disk."""


@contextmanager
def never() -> Iterator[Callable[[], bool]]:
    """Nobody tells the fit to stop."""
    yield lambda: False


@dataclass
class Fit:
    """``training`` up to its last step, or until validations no longer improve; see ``run``.

    In ``folder``: ``last`` holds the state before and after the latest validation or of at most ``checkpoint_minutes``
    ago; ``best`` the weights of the best validation. ``last`` is written first, and holds the best weights too at that
    moment: a kill between the two loses neither. Of several processes the first writes.
    """

    training: Training
    settings: FitSettings
    progress: Progress  # of a fit that has not begun; replaced by what ``resume`` finds
    log: StepLog
    write_weights: Callable[[Path, dict[str, Any]], None]  # writes the present weights and a state.json into a folder
    folder: Path | None = None  # None: nothing is written
    validate: Callable[[], Validation] | None = None
    score_name: str = ""  # of ``Validation.score`` in state.json; empty: the score stands in ``result``
    stop_requests: Callable[[], AbstractContextManager[Callable[[], bool]]] = (
        never  # a block in which a stop can be asked for
    )
    began: float = field(init=False)  # of training, on ``time.perf_counter``, as if it had never been interrupted

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self._writer = StateWriter(background=self.training.device.type == "cuda")

    @property
    def processes(self) -> Processes:
        return self.training.processes

    @property
    def eval_interval(self) -> int:
        """Steps between validations; a budget of minutes stretches it with the others."""
        share = self.training.settings.train_steps / max(1, self.training.asked.train_steps)
        return max(1, round(self.settings.eval_interval * share))

    def resume(self) -> bool:
        """Goes to where an interrupted fit of the same run stood; whether there was one.

        Raises ``DataError`` that names the folder of a state that is damaged or belongs to something else. The best
        weights are written or checked by ``run``.
        """
        if self.folder is None:
            return False
        last, best = self.folder / "last", self.folder / "best"
        if self.processes.first:
            recover_folder(last)
            recover_folder(best)
        self.processes.wait()
        if not last.is_dir():
            shutil.rmtree(best, ignore_errors=True)  # of an attempt whose state somebody removed
            return False
        self.progress = Progress.loaded(load_state(self.training, last), self.progress, str(last))
        self.began = time.perf_counter() - self.progress.seconds
        logger.info("resumed at step %d from %s, after %.0f s", self.training.step, last, self.progress.seconds)
        return True

    def run(self) -> Progress:
        """Trains and validates to the end -> what was found. Raises ``StoppedError`` where a stop was requested.

        With ``train_steps`` 0 the weights are validated and kept as they are.
        """
        training, progress = self.training, self.progress
        if self.folder and progress.best_step >= 0:
            self._keep_best()
            check_best(self.folder / "best")
        try:
            while progress.validated < training.settings.train_steps and not self._has_settled():
                self._train_until(self._next_validation())
                if self.validate:
                    self._judge(self.validate())
                progress.validated = training.step
                self._save()
            if self.validate and not training.settings.train_steps:
                self._judge(self.validate())
                self._save()
        finally:
            self._writer.finish()
        if self.folder and not self.validate:
            self.write_weights(self.folder / "best", {"run": progress.run, "step": training.step})
        return progress

    def _train_until(self, stop: int) -> None:
        """Leaves the state on disk at step ``stop`` and every ``checkpoint_minutes``, weights for good every
        ``keep_interval``. After a request to stop it ends after the present step, with the state written.
        """
        training = self.training
        with self.stop_requests() as came:
            ended = self._any(came)
            while training.step < stop and not ended:
                due = time.monotonic() + 60 * self.settings.checkpoint_minutes
                training.run(min(stop, self._next_kept()), self.log.add, partial(self._pauses, came, due))
                self._keep()
                self._save()
                ended = self._any(came)
            self.log.flush()
            if ended:
                self._writer.finish()
        if ended:
            raise StoppedError

    def _pauses(self, came: Callable[[], bool], due: float) -> bool:
        """Whether training makes a break after the present step, to write its state."""
        return self._any(lambda: came() or time.monotonic() >= due)

    def _any(self, answer: Callable[[], bool]) -> bool:
        """Whether one of the processes says so: they stop and go on together."""
        return any(self.processes.gather(answer()))

    def _next_validation(self) -> int:
        """Its step; the warm-up ends with one, and so does training."""
        settings, done = self.training.settings, self.progress.validated
        step = min((done // self.eval_interval + 1) * self.eval_interval, settings.train_steps)
        return min(step, settings.warmup_steps) if done < settings.warmup_steps else step

    def _has_settled(self) -> bool:
        return self.progress.worse >= self.settings.stopping_step > 0

    def _judge(self, found: Validation) -> None:
        progress, step = self.progress, self.training.step
        better = found.score > progress.best_score or self.settings.takes_last
        if better:
            progress.best_score, progress.best_step, progress.best_result = found.score, step, found.result
            progress.best_nats, progress.users = found.nats, found.users
        progress.worse = 0 if better or self.training.in_warmup else progress.worse + 1

    def _next_kept(self) -> int:
        interval = self.settings.keep_interval or self.training.settings.train_steps
        return (self.training.step // interval + 1) * interval

    def _keep(self) -> None:
        """Weights for good where the present step is one of ``keep_interval``."""
        step, interval = self.training.step, self.settings.keep_interval
        if self.folder and interval and step % interval == 0:
            self.write_weights(self.folder / f"step-{step}", {"run": self.progress.run, "step": step})

    def _save(self) -> None:
        """The state, then the best weights where they are the present ones."""
        if self.folder:
            self.progress.seconds = time.perf_counter() - self.began
            self._writer.write(self.training, self.progress.saved(), self.folder / "last")
            self._keep_best()

    def _keep_best(self) -> None:
        """``best`` as ``progress`` says; after a kill in ``_save`` it may be one validation older."""
        assert self.folder is not None
        progress, best = self.progress, self.folder / "best"
        if progress.best_step < 0:
            return
        present, *_ = self.processes.gather(best_step(best, progress.run))
        if present == progress.best_step:
            return
        if progress.best_step != self.training.step:
            raise DataError(
                f"checkpoint {best} does not hold the weights of step {progress.best_step}, as {self.folder / 'last'} "
                f"says: remove {self.folder} to start anew"
            )
        self._writer.finish()
        state = {"run": progress.run, "step": progress.best_step}
        state |= {self.score_name: progress.best_score} if self.score_name else {}
        state |= {"nats": progress.best_nats, "users": progress.users, "valid": progress.best_result}
        self.write_weights(best, state)
