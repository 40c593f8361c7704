"""One Optuna study of several processes, which share its folder: who runs which trial, and which ones were killed."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.errors import ConfigError, DataError, masked
from calrec_recbole.stored_files import one_line
from calrec_recbole.tuning.seeded_sampler import SeededTPE
from calrec_recbole.tuning.trial_table import FILE, write_trials

__all__ = ["SharedStudy", "places", "spent_minutes"]

STUDY_FILE, LOCK, HELD = "study.db", "study.lock", ".trials"
PATIENCE = 120  # seconds that SQLite waits for another process's write
MOST_KILLS = 3  # of one trial, before it counts as failed: it may be the one that kills
OTHERS = 5  # completed trials with a value at a step, before a trial may be pruned there
IDENTITY = "identity"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class SharedStudy:
    """``storage`` is a URL of Optuna's, by default of ``study.db`` in ``folder``; a trial belongs to the process that
    holds its file in ``folder``, as long as that process lives.
    """

    def __init__(self, folder: Path, name: str, storage: str = "", seed: int = 0) -> None:
        self.folder, self.name, self.url = folder, name, storage
        self.lease: Lease | None = None
        self.sampler = SeededTPE(seed, lambda trial: _place(trial, self.trials()))
        self.study: optuna.Study

    def create(self, identity: Mapping[str, str], attributes: Mapping[str, Any], first: Mapping[str, Any]) -> None:
        """Opens the study; where it is new, its first trial has the values ``first``.

        Raises ``ConfigError`` where it exists and is about something else than ``identity`` says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone(), self._reaching():
            self.study = optuna.create_study(
                storage=self._storage(),
                study_name=self.name,
                direction="maximize",
                sampler=self.sampler,
                pruner=MedianPruner(n_startup_trials=OTHERS, n_min_trials=OTHERS),
                load_if_exists=True,
            )
            kept = self.study.user_attrs
            if IDENTITY in kept:
                _check_same(self.folder, kept[IDENTITY], identity)
                return
            if not self.trials():
                self.study.enqueue_trial(dict(first))
            for key, value in {**attributes, IDENTITY: dict(identity)}.items():
                self.study.set_user_attr(key, value)

    def open(self) -> None:
        """Opens a study that exists; ``DataError`` where none does."""
        missing = f"there is no study of {self.name} in {self.folder}: start it without --report"
        if not self.url and not (self.folder / STUDY_FILE).is_file():
            raise DataError(missing)
        with self._reaching():
            try:
                self.study = optuna.load_study(storage=self._storage(), study_name=self.name)
            except KeyError:
                raise DataError(missing) from None
        if IDENTITY not in self.study.user_attrs:
            raise DataError(missing)

    def _storage(self) -> RDBStorage:
        own = URL.create("sqlite", database=str((self.folder / STUDY_FILE).absolute()))
        url = self.url or own.render_as_string(hide_password=False)
        options = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {}
        return RDBStorage(url, engine_kwargs=options)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, StorageInternalError, ImportError) as problem:
            reason = masked(one_line(problem.__cause__ or problem))
            where = f"--storage={masked(self.url)}" if self.url else str(self.folder / STUDY_FILE)
            raise ConfigError(f"{where} cannot be used as a study ({reason}): mend it, or choose another") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Within the block no other process of this study changes who runs what; waits for it."""
        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """All, or those in ``states``, by number."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def next(self, space: Mapping[str, BaseDistribution], most: int | None, minutes: float | None) -> Trial | None:
        """A trial for this process to run, one that was killed before any new; None where a budget is spent."""
        with self._alone():
            self._repeat_killed()
            found = self.trials()
            waiting = any(trial.state is TrialState.WAITING for trial in found)
            enough = most is not None and places(found) >= most and not waiting
            if enough or (minutes is not None and spent_minutes(found) >= minutes):
                self._write()
                return None
            trial = self.study.ask(dict(space))
            self.lease = Lease(self.folder / HELD / str(trial.number))
            taken = self.lease.take()
            assert taken, f"trial {trial.number} is held by another process"
        return trial

    def end(self, trial: Trial, state: TrialState, value: float | None = None, **attributes: Any) -> None:
        """Writes down how ``trial`` ended, and all trials to trials.csv."""
        for key, one in attributes.items():
            trial.set_user_attr(key, one)
        with self._alone():
            self.study.tell(trial, value, state)
            self._let_go()
            self._write()

    def interrupted(self, trial: Trial) -> None:
        """This process stops inside ``trial``: the next one repeats it."""
        with self._alone():
            self._repeat(self.trials()[trial.number], kills=0)
            self._let_go()
            self._write()

    def write(self) -> None:
        """Writes trials.csv as the study stands."""
        with self._alone():
            self._write()

    def _write(self) -> None:
        write_trials(self.folder / FILE, self.trials(), self._stopped())

    def stopped(self) -> set[int]:
        """The numbers of the trials whose process is gone and which no other has taken up."""
        with self._alone():
            return self._stopped()

    def _stopped(self) -> set[int]:
        return {trial.number for trial in self._left()}

    def _left(self) -> Iterator[FrozenTrial]:
        """The trials whose process is gone, each held by this one meanwhile."""
        for trial in self.trials(TrialState.RUNNING):
            lease = Lease(self.folder / HELD / str(trial.number))
            if lease.take():
                yield trial
                lease.give_back()

    def _let_go(self) -> None:
        if self.lease:
            self.lease.give_back()
            self.lease = None

    def _repeat_killed(self) -> None:
        for trial in self._left():
            self._repeat(trial, kills=1)

    def _repeat(self, trial: FrozenTrial, kills: int) -> None:
        """Marks ``trial`` as failed and queues one with its values; a kill in between queues no second one."""
        found = self.trials()
        kills += trial.user_attrs.get("kills", 0)
        if kills >= MOST_KILLS:
            self.study._storage.set_trial_user_attr(trial._trial_id, "error", f"killed {kills} times")
        elif not any(one.user_attrs.get("repeats") == trial.number for one in found):
            drawn = trial.params if len(trial.params) == len(self.ranges) else {}
            self.study.add_trial(
                create_trial(
                    state=TrialState.WAITING,
                    system_attrs={"fixed_params": drawn or trial.system_attrs.get("fixed_params", {})},
                    user_attrs={"repeats": trial.number, "place": _place(trial, found), "kills": kills},
                    intermediate_values=trial.intermediate_values,
                )
            )
        self.study.tell(trial.number, state=TrialState.FAIL)

    @property
    def ranges(self) -> dict[str, Any]:
        """The untuned values, by the names of the space."""
        return dict(self.study.user_attrs["defaults"])


def places(trials: list[FrozenTrial]) -> int:
    """How many trials there are, one and its repeats counted once."""
    return sum("repeats" not in trial.user_attrs for trial in trials)


def _place(trial: FrozenTrial, trials: list[FrozenTrial]) -> int:
    """The trial's number in a study that was never stopped: repeats stand in for what they repeat."""
    if "place" in trial.user_attrs:
        return int(trial.user_attrs["place"])
    return trial.number - sum("repeats" in one.user_attrs for one in trials[: trial.number])


def spent_minutes(trials: list[FrozenTrial]) -> float:
    """CPU minutes of all trials up to their latest validation or their end, those that were stopped counted too."""
    return sum(float(trial.user_attrs.get("cpu_seconds", 0.0)) for trial in trials) / 60


def _check_same(folder: Path, kept: Mapping[str, str], asked: Mapping[str, str]) -> None:
    changed = [name for name in sorted({*kept, *asked}) if kept.get(name) != asked.get(name)]
    if changed:
        name = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise ConfigError(
            f"the study in {folder} has {name}={kept.get(name, 'nothing')}, not {asked.get(name, 'nothing')}{more}: "
            "its trials could not be compared; take the same settings, or another --out"
        )
