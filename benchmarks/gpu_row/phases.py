"""The phases of the row in order of worth: each leaves what it has, and none stops the others."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from calrec_recbole.errors import CalrecError, DataError
from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.cells import printed
from calrec_recbole.runs.run_folder import users_left
from gpu_row.bench import Bench
from gpu_row.device_check.check import check
from gpu_row.minutes import Minutes, NotReached, Part
from gpu_row.systems import ABLATION, ALONE, STAGES, UNTUNED, System

__all__ = ["DONE", "FAILED", "TRAINED", "Phase", "go_through", "is_done", "phases_of", "went_wrong"]

DONE, PARTIAL, FAILED, WAITS = "done", "partial", "failed", "not reached"
TRAINED = 0.7  # of a training's minutes go to steps: validations, loading and the first test users come on top
LEAST = 0.5  # a training whose part has shrunk below this of its share waits for the next call: its steps are for good
FIRST_BATCH = 1e-6  # minutes: a training tests one batch of users, so that there is a row at once


class Phase(Protocol):
    """``weight``: minutes that it would have of a call of ten that makes one row; with more phases all have less."""

    name: str
    weight: float

    def do(self, bench: Bench, part: Part) -> dict[str, Any]:
        """-> its record: ``state``, ``told`` and what else it has found. Raises ``NotReached`` before it begins."""


@dataclass
class CheckDevice:
    """Is the device to be trusted, and how fast is it?"""

    weight: float
    name: str = "check"

    def do(self, bench: Bench, part: Part) -> dict[str, Any]:
        found = check(bench)
        missed = [one["name"] for one in found["checks"] if not one["ok"]]
        verdict = f"CHECK FAILED: {', '.join(missed)}" if missed else f"all {len(found['checks'])} checks hold"
        return {**found, "state": DONE, "told": "; ".join([verdict, *found["measures"]])}


@dataclass
class Train:
    """Trains a system, for minutes or for the steps of others, and tests a first batch of users."""

    system: System
    weight: float

    def __post_init__(self) -> None:
        self.name = f"train-{self.system.name}"

    def do(self, bench: Bench, part: Part) -> dict[str, Any]:
        _check_there(bench, self.system.after, *self.system.steps_of)
        if not bench.record(self.name).get("begun"):  # who starts again goes on with the steps that it began with
            bench.keep(self.name, begun=True, **self._length(bench, part))
        folder = bench.run_of(self.system)
        if users_left(folder) is None:
            folder = bench.start(self.system, FIRST_BATCH).folder
        bench.keep(self.name, folder=str(folder.relative_to(bench.out)))
        run = bench.read(self.system.name)
        steps = f"{run.config['train_steps']:,} steps, {run.config['warmup_steps']:,} of them on every item"
        return {"state": DONE, "told": f"{steps}, {run.train_seconds:.0f} s"}

    def _length(self, bench: Bench, part: Part) -> dict[str, float]:
        """Its minutes; nothing where its steps are those of others. Raises ``NotReached`` for too few."""
        if self.system.steps_of:
            needed = sum(bench.read(name).train_seconds for name in self.system.steps_of) / 60
            if needed > part.left:
                raise NotReached(f"as many steps took {needed:.1f} minutes, {part.left:.1f} are left")
            return {}
        if part.own < LEAST * part.fair:
            raise NotReached(f"{part.own:.1f} of its {part.fair:.1f} minutes are left, too few to begin")
        return {"train_minutes": max(0.001, round(min(bench.longest, TRAINED * part.own), 3))}


@dataclass
class Test:
    """Tests as many more users of a system as the minutes hold."""

    system: System
    weight: float

    def __post_init__(self) -> None:
        self.name = f"test-{self.system.name}"

    def do(self, bench: Bench, part: Part) -> dict[str, Any]:
        _check_there(bench, self.system.name if self.system.trains else self.system.after)
        folder = bench.run_of(self.system)
        if self.system.trains and folder != bench.folder_of(self.system.name):
            raise DataError(f"{bench.folder_of(self.system.name)} was trained by other settings: give another --out")
        left = users_left(folder)
        if left != 0:
            left = bench.start(self.system, part.own).left
        bench.keep(self.name, folder=str(folder.relative_to(bench.out)))
        run = bench.read(self.system.name)
        of = f" of {run.tested + left:,}" if left else ""
        value = "/".join(printed(run.test[key]) for key in (METRICS[0].opt, METRICS[0].pes))
        told = f"{run.tested:,}{of} users, {METRICS[0].title} {value}"
        return {"state": PARTIAL if left else DONE, "told": told}


def _check_there(bench: Bench, *names: str) -> None:
    for name in names:
        if name and not bench.has_run(name):
            raise NotReached(f"it needs {name}")


def phases_of(stages: bool, ablate: bool) -> list[Phase]:
    """What a call goes through.

    The weights are what one H200 would take: 2 minutes for the steps of stage II alone, 10 s for a validation, 4
    minutes for all users of Scientific. Stage I has twice those steps, stage II after it half of them, and the rows of
    the ablation are compared on a part of the users.
    """
    joint, both = STAGES
    no_second, equal_second, equal_all, plain_joint, plain = ABLATION
    phases: list[Phase] = [CheckDevice(0.5), Train(ALONE, 3.5), Test(ALONE, 4.5)]
    if stages:
        phases += [Train(joint, 5.0), Train(both, 2.0), Test(both, 3.0)]
    if ablate:
        phases += [Test(no_second, 2.0), Train(equal_second, 2.0), Test(equal_second, 2.0)]
        phases += [Train(plain_joint, 5.0), Train(plain, 2.0), Test(plain, 2.0)]
        phases += [Train(equal_all, 7.0), Test(equal_all, 2.0)]
    return [*phases, *(Test(system, 0.75) for system in UNTUNED)]


def go_through(
    phases: Sequence[Phase], bench: Bench, minutes: Minutes, tell: Callable[[str], None], after: Callable[[], object]
) -> None:
    """Does what is not done yet, then what is left of tests with the minutes that others did not need.

    ``after`` is called whenever a phase has left what it has.
    """
    for phase in phases:
        if is_done(bench, phase):
            tell(f"{phase.name}: done before: {bench.record(phase.name)['told']}")
    _round([phase for phase in phases if not is_done(bench, phase)], bench, minutes, tell, after)
    if minutes.left:
        _round([phase for phase in phases if _is_partial(bench, phase)], bench, minutes, tell, after)


def _round(
    phases: Sequence[Phase], bench: Bench, minutes: Minutes, tell: Callable[[str], None], after: Callable[[], object]
) -> None:
    for place, phase in enumerate(phases):
        tell(f"{phase.name}, with {minutes.left:.1f} of {minutes.call:g} minutes left ...")
        record = _attempt(phase, bench, minutes, [one.name for one in phases[place:]])
        tell(f"{phase.name}: {record['state']}: {record['told']}")
        after()


def is_done(bench: Bench, phase: Phase) -> bool:
    """Whether nothing is left to do, and its run is still there."""
    record = bench.record(phase.name)
    kept = "folder" not in record or users_left(bench.out / record["folder"]) is not None
    return record.get("state") == DONE and kept


def _is_partial(bench: Bench, phase: Phase) -> bool:
    return bench.record(phase.name).get("state") == PARTIAL


def _attempt(phase: Phase, bench: Bench, minutes: Minutes, waiting: Sequence[str]) -> dict[str, Any]:
    """Its record; an error is one line in it, and a phase that was not reached stays as far as it was."""
    began, before = time.monotonic(), bench.record(phase.name)
    try:
        found = phase.do(bench, minutes.part(phase.name, waiting))
    except NotReached as reason:
        held = before.get("state") == PARTIAL
        found = {"state": PARTIAL, "told": before["told"]} if held else {"state": WAITS, "told": str(reason)}
    except Exception as problem:  # the others go on
        line = " ".join(str(problem).split())
        found = {
            "state": FAILED,
            "told": line if isinstance(problem, CalrecError) else f"{type(problem).__name__}: {line}",
        }
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    seconds = before.get("seconds", 0.0) + time.monotonic() - began
    return bench.keep(phase.name, **found, seconds=round(seconds, 1))


def went_wrong(phases: Sequence[Phase], bench: Bench) -> bool:
    """Whether a phase failed, or a check does not hold."""
    records = [bench.record(phase.name) for phase in phases]
    unsound = any(not one["ok"] for record in records for one in record.get("checks", ()))
    return unsound or any(record.get("state") == FAILED for record in records)
