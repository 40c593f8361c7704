"""What a study came to: best.yaml for the run on the test, and a table for people."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from calrec_recbole.durable_files import write_text
from calrec_recbole.tuning.shared_study import SharedStudy, places, spent_minutes
from calrec_recbole.tuning.trial_run import BUDGET

__all__ = ["BEST_FILE", "best_of", "ended", "print_study", "trial_line", "write_best"]

BEST_FILE = "best.yaml"
CUT, STOPPED = "cut by the budget", "stopped"
STATES = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting to be run",
}
ENDS = ("completed", "pruned", CUT, "failed")


def best_of(shared: SharedStudy) -> FrozenTrial | None:
    """The finished trial of the highest value, of equals the first; None where none has finished."""
    finished = shared.trials(TrialState.COMPLETE)
    return max(finished, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def write_best(shared: SharedStudy, model: str, dataset: str) -> Path | None:
    """best.yaml in the study's folder: the chosen values above what all trials shared, and under ``tuning`` the budget;
    None where nothing finished.
    """
    best, attributes = best_of(shared), shared.study.user_attrs
    if best is None:
        return None
    file = shared.folder / BEST_FILE
    head = [
        f"{model} on {dataset}: the best of {_budget(shared.trials())}, by {attributes['valid_metric']} on validation: "
        f"{best.value:.5f} (trial {best.number})",
        _command(model, dataset, file),
    ]
    trials = shared.trials()
    tuning = {
        "trials": places(trials),
        "ended": {name: number for name, number in ended(trials).items() if name in ENDS},
        "cpu_minutes": round(spent_minutes(trials), 2),
        "chosen": dict(best.params),
    }
    settings = {**attributes["fixed"], **best.params, "tuning": tuning}
    body = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    write_text(file, "".join(f"# {line}\n" for line in head) + body)
    return file


def _budget(trials: list[FrozenTrial]) -> str:
    return f"{places(trials)} trial{'s' if places(trials) != 1 else ''}, {spent_minutes(trials):.2f} CPU minutes"


def _command(model: str, dataset: str, file: Path) -> str:
    return shlex.join(["run_recbole", f"--model={model}", f"--dataset={dataset}", f"--config_files={file}"])


def print_study(shared: SharedStudy, model: str, dataset: str) -> None:
    """The budget, the trials by state, the chosen settings beside the defaults, the command that tests them."""
    console = Console(soft_wrap=True)
    best, attributes = best_of(shared), shared.study.user_attrs
    if best is not None:
        table = Table("setting", title=f"{model} {dataset}")
        table.add_column("default", justify="right")
        table.add_column("chosen", justify="right")
        for name, default in attributes["defaults"].items():
            table.add_row(name, _shown(default), _shown(best.params.get(name)))
        console.print(table)
    for line in _told(shared, model, dataset):
        console.print(line, highlight=False, markup=False)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _told(shared: SharedStudy, model: str, dataset: str) -> Iterator[str]:
    trials, metric = shared.trials(), shared.study.user_attrs["valid_metric"]
    yield f"budget spent: {_budget(trials)}"
    yield f"trials: {', '.join(f'{number} {name}' for name, number in ended(trials, shared.stopped()).items())}"
    best = best_of(shared)
    if best is None:
        yield "no trial has finished yet: nothing is chosen"
        return
    defaults = shared.study.user_attrs["defaults"]
    untuned = [one.value for one in trials if one.params == defaults and one.state is TrialState.COMPLETE]
    beside = f"; the defaults: {untuned[0]:.5f}" if untuned else ""
    yield f"best {metric} on validation: {best.value:.5f}, trial {best.number}{beside}"
    if best.user_attrs.get("ended"):
        yield f"trial {best.number} was cut off by the budget before its training was over"
    yield f"trials: {shared.folder / 'trials.csv'}"
    yield f"on the test: {_command(model, dataset, shared.folder / BEST_FILE)}"


def ended(trials: Sequence[FrozenTrial], stopped: Collection[int] = ()) -> dict[str, int]:
    """How many trials came to which end: those of ``ENDS`` always, then what else there is.

    ``stopped``: the numbers of those whose process is gone.
    """
    states = Counter(STOPPED if trial.number in stopped else _state(trial) for trial in trials)
    return {**dict.fromkeys(ENDS, 0), **states}


def _state(trial: FrozenTrial) -> str:
    if trial.state is TrialState.FAIL and not trial.user_attrs.get("error"):
        return "stopped and repeated"
    if trial.user_attrs.get("ended") == BUDGET:
        return CUT
    return STATES[trial.state]


def trial_line(trial: FrozenTrial) -> str:
    """One ended trial in one line."""
    drawn = ", ".join(f"{name}={_shown(value)}" for name, value in trial.params.items())
    value = "" if trial.value is None else f" {trial.value:.5f}"
    error = trial.user_attrs.get("error", "")
    cost = f"{trial.user_attrs.get('cpu_seconds', 0):.1f} CPU s"
    return f"trial {trial.number} {_state(trial)}{value} ({drawn}), {cost}" + (f": {error}" if error else "")
