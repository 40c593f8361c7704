"""Runs what is missing, several at once where asked; a failure ends that run alone."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.comparison.plan import PlannedRun, check_unknown, request, resolved
from calrec_recbole.comparison.process import Launcher, Local, Started, command_of
from calrec_recbole.comparison.slurm import Slurm
from calrec_recbole.runs.run_folder import is_claimed, model_label

__all__ = ["Machine", "Watcher", "execute"]

POLL_SECONDS = 0.2

Resolve = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Machine:
    """What a comparison may use: ``jobs`` runs at once, ``cores`` shared among them, or one of ``gpus`` each.

    With ``slurm`` the runs are jobs of a cluster, of which ``jobs`` are queued or run at once.
    """

    jobs: int = 1
    cores: int = 1
    gpus: Sequence[str] = ()
    slurm: Slurm | None = None

    @property
    def threads(self) -> int:
        """CPU threads per run."""
        return max(1, self.cores // self.jobs)

    @property
    def launcher(self) -> Launcher:
        return self.slurm or Local(self.threads)


class Watcher(Protocol):
    """Hears what becomes of each run, by its name; ``state``: waiting, reused, running, submitted, done or failed."""

    def tell(self, name: str, state: str, run: PlannedRun) -> None: ...

    def refresh(self) -> None: ...


def execute(
    runs: Sequence[PlannedRun],
    shared: Mapping[str, Any],
    resolve: Resolve,
    machine: Machine,
    watcher: Watcher,
    logs: Path,
) -> list[PlannedRun]:
    """``runs`` in their order, each finished or with its error.

    Those that start from another's weights come after it. On Ctrl-C or SIGTERM all children are stopped and
    ``KeyboardInterrupt`` goes on.
    """
    names = {run.name for run in runs}
    ended = {run.name: run for run in (_unless_orphaned(run, names) for run in runs) if run.error}
    for run in ended.values():
        watcher.tell(run.name, "failed", run)
    first = True
    with _sigterm_as_interrupt():
        while len(ended) < len(runs):
            waiting = [run for run in runs if run.name not in ended]
            ready = [run for run in waiting if all(name in ended for name in run.needs)]
            asked = waiting if first else ready  # at first all of them, to find settings that none knows
            answers = resolve([request(run, shared, _folders(run, ended)) for run in asked])
            if first:
                check_unknown(answers)
            first = False
            known = {run.name: resolved(run, answer) for run, answer in zip(asked, answers, strict=True)}
            wave = [_unless_failed(known[run.name], ended) for run in ready]
            for run in _execute_wave(wave, machine, watcher, logs):
                ended[run.name] = run
    return [ended[run.name] for run in runs]


def _folders(run: PlannedRun, ended: Mapping[str, PlannedRun]) -> dict[str, list[Path]]:
    """Setting -> folders, of the settings whose runs all have one."""
    known = {name: one.folder for name, one in ended.items() if one.folder is not None}
    return {
        key: [known[name] for name in names]
        for key, names in run.sources.items()
        if all(name in known for name in names)
    }


def _unless_orphaned(run: PlannedRun, names: set[str]) -> PlannedRun:
    for name in run.needs:
        if name not in names:
            return replace(run, error=f"it starts from {name!r}, which is no run here: add its data set")
    return run


def _unless_failed(run: PlannedRun, ended: Mapping[str, PlannedRun]) -> PlannedRun:
    for name in run.needs:
        if name in ended and ended[name].error:
            return replace(run, error=f"it starts from {name!r}, which failed")
    return run


def _execute_wave(wave: Sequence[PlannedRun], machine: Machine, watcher: Watcher, logs: Path) -> Iterator[PlannedRun]:
    pending: list[PlannedRun] = []
    folders = set()
    for run in wave:
        if run.error or run.whole or run.folder in folders:  # two rows may mean the same run
            continue
        folders.add(run.folder)
        pending.append(run)
    failed = _run_all(pending, machine, watcher, logs)
    for run in wave:
        error = run.error or failed.get(str(run.folder), "")
        if run not in pending:
            watcher.tell(run.name, "failed" if error else "reused", run)
        yield replace(run, error=error)


def _run_all(pending: Sequence[PlannedRun], machine: Machine, watcher: Watcher, logs: Path) -> dict[str, str]:
    """Folder -> error, of those that failed."""
    queue = [(run, Lease(_output(run, logs).with_suffix(".lease"))) for run in pending]
    running, failed = dict[str, tuple[PlannedRun, Started, Lease]](), dict[str, str]()
    free, waiting, launcher = list(machine.gpus), set[str](), machine.launcher
    try:
        while queue or running:
            for run, lease in list(queue):
                if len(running) == machine.jobs:
                    break
                if not lease.take() or is_claimed(run.folder):  # another process is at it
                    if run.name not in waiting:
                        watcher.tell(run.name, "waiting", run)
                    waiting.add(run.name)
                    continue
                queue.remove((run, lease))
                if run.whole:  # it has been done meanwhile
                    lease.give_back()
                    watcher.tell(run.name, "reused", run)
                    continue
                gpu = free.pop(0) if free else None
                running[run.name] = (run, _start(run, launcher, gpu, logs, lease), lease)
                watcher.tell(run.name, launcher.starts_as, run)
            time.sleep(POLL_SECONDS)
            watcher.refresh()
            for name, (run, process, lease) in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                del running[name]
                lease.give_back()
                free += [process.gpu] if process.gpu is not None else []
                error = process.error() if code or not run.finished else ""
                failed |= {str(run.folder): error} if error else {}
                watcher.tell(name, "failed" if error else "done", replace(run, error=error))
    finally:
        launcher.stop([process for _, process, _ in running.values()])
        for lease in [*(lease for _, lease in queue), *(lease for _, _, lease in running.values())]:
            lease.give_back()
    return failed


def _start(run: PlannedRun, launcher: Launcher, gpu: str | None, logs: Path, lease: Lease) -> Started:
    assert run.settings is not None
    assert run.folder is not None
    arguments = command_of(run.row.model, run.dataset, list(run.row.config_files), run.settings)
    started: Started = launcher.start(arguments, _output(run, logs), run.folder, gpu, lease)
    return started


def _output(run: PlannedRun, logs: Path) -> Path:
    assert run.folder is not None
    return logs / f"{run.dataset}-{model_label(run.row.model)}-{run.folder.name}.txt"


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
