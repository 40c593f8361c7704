"""Every trial of a study as one row of trials.csv."""

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from calrec_recbole.durable_files import write_text

__all__ = ["FILE", "write_trials"]

FILE = "trials.csv"
STOPPED = "STOPPED"  # what Optuna still calls running
KEPT = ("seconds", "cpu_seconds", "folder", "ended", "repeats", "error")  # user attributes, one a column


def write_trials(file: Path, trials: Sequence[FrozenTrial], stopped: Collection[int] = ()) -> None:
    """One row a trial: number, state, value, the drawn settings, its values by step as JSON, costs, run folder, why it
    ended; whole or not at all. ``stopped``: the numbers of those whose process is gone.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", *names, "values", *KEPT])
    for trial in trials:
        state = STOPPED if trial.number in stopped else trial.state.name
        writer.writerow(_row(trial, state, names))
    write_text(file, text.getvalue())


def _row(trial: FrozenTrial, state: str, names: Sequence[str]) -> list[Any]:
    values = json.dumps({str(step): value for step, value in sorted(trial.intermediate_values.items())})
    drawn = [trial.params.get(name, "") for name in names]
    value = "" if trial.value is None else trial.value
    return [trial.number, state, value, *drawn, values, *(trial.user_attrs.get(key, "") for key in KEPT)]
