"""Every trial of a study as one row of trials.csv."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from calrec_recbole.durable_files import write_text

__all__ = ["FILE", "write_trials"]

FILE = "trials.csv"
KEPT = ("seconds", "cpu_seconds", "folder", "ended", "repeats", "error")  # user attributes, one a column


def write_trials(file: Path, trials: Sequence[FrozenTrial]) -> None:
    """One row a trial: number, state, value, the drawn settings, its values by step as JSON, costs, run folder, why it
    ended; whole or not at all.
    """
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", *names, "values", *KEPT])
    for trial in trials:
        writer.writerow(_row(trial, names))
    write_text(file, text.getvalue())


def _row(trial: FrozenTrial, names: Sequence[str]) -> list[Any]:
    values = json.dumps({str(step): value for step, value in sorted(trial.intermediate_values.items())})
    drawn = [trial.params.get(name, "") for name in names]
    value = "" if trial.value is None else trial.value
    return [trial.number, trial.state.name, value, *drawn, values, *(trial.user_attrs.get(key, "") for key in KEPT)]
