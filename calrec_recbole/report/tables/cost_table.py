"""What each row cost, on what: times, memory, parameters, device, the training that was allowed, and the tuning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calrec_recbole.report.rows import Row
from calrec_recbole.report.tables.cells import ABSENT
from calrec_recbole.runs.environment import device_text

__all__ = ["TITLES", "CostCell", "budget", "cost_table", "duration", "is_trained", "mebibytes", "tuned"]

TITLES = (
    *("Training", "Evaluation, a user", "Peak memory", "Parameters", "Training allowed", "Tuning", "On"),
    *("Users, validation", "Users, test"),
)
UNKNOWN = "not recorded"
UNTRAINED = ("Pop", "LIR", "RecentPop", "TransitionGraph", "GivenScores")
LINE = 16  # characters of a cell that stays in one line


@dataclass(frozen=True)
class CostCell:
    """``value`` is what the column is sorted by, in one unit; NaN where ``text`` is no number."""

    text: str
    value: float = float("nan")

    @property
    def wraps(self) -> bool:
        """Whether it may take two lines."""
        return len(self.text) > LINE


def cost_table(rows: Sequence[Row]) -> dict[str, list[CostCell]]:
    """Label -> a cell for each of ``TITLES``, of the rows that have finished; times and memory are means over seeds."""
    return {row.label: _cells(row) for row in rows if row.runs}


def _cells(row: Row) -> list[CostCell]:
    found, config = row.runs[0].environment, row.runs[0].config
    users = found.get("users", {})
    return [
        CostCell(duration(row.train_seconds), row.train_seconds),
        _cell(row.test_milliseconds, f"{row.test_milliseconds:.2f} ms"),
        _cell(row.memory, mebibytes(row.memory)),
        _parameters(0 if not is_trained(row) else found.get("parameters")),
        CostCell(budget(str(config["model"]), config) if is_trained(row) else "none"),
        CostCell(tuned(config)),
        CostCell(device_text(found.get("devices", {}))),
        *(_count(users.get(part)) for part in ("valid", "test")),
    ]


def is_trained(row: Row) -> bool:
    """Whether the row's model has parameters to learn, as far as its runs tell."""
    run = row.runs[0]
    return run.config["model"] not in UNTRAINED and run.environment.get("parameters") != 0


def _cell(value: float, text: str) -> CostCell:
    return CostCell(text, value) if np.isfinite(value) else CostCell(ABSENT)


def _count(number: int | None) -> CostCell:
    return CostCell(f"{number:,}", number) if number else CostCell(ABSENT)


def _parameters(number: int | None) -> CostCell:
    if number == 0:
        return CostCell("none", 0)
    return CostCell(UNKNOWN) if number is None else CostCell(_short(number), number)


def _short(number: int) -> str:
    """
    >>> _short(88256), _short(3_512_000), _short(999), _short(134_515_008)
    ('88 K', '3.5 M', '999', '135 M')
    """
    for size, letter in ((10**9, " G"), (10**6, " M"), (1000, " K")):
        if number >= size:
            return f"{number / size:.{1 if number < 10 * size and size > 1000 else 0}f}{letter}"
    return str(number)


def budget(model: str, config: Any) -> str:
    """How much training ``config`` allowed.

    >>> budget("CALRec", {"train_steps": 3600, "train_batch_size": 32, "stopping_step": 3})
    '3,600 steps of 32 users'
    >>> budget("S3RecText", {"epochs": 300, "pretrain_epochs": 15, "stopping_step": 10})
    '15 + 300 epochs, patience 10'
    """
    if config.get("train_steps") == 0:
        return "none"
    if "train_steps" in config:
        return f"{config['train_steps']:,} steps of {config.get('train_batch_size', '?')} users"
    if "epochs" not in config:
        return UNKNOWN
    first = f"{config['pretrain_epochs']} + " if _pretrains(model, config) else ""
    last = f" + {config['stage2_epochs']}" if "stage2_epochs" in config else ""
    patience = f", patience {config['stopping_step']}" if config.get("stopping_step") else ""
    ending = "" if f"{first}{config['epochs']}{last}" == "1" else "s"
    return f"{first}{config['epochs']}{last} epoch{ending}{patience}"


def tuned(config: Any) -> str:
    """The search that the settings of ``config`` come from, and what it chose; what the run then changed is told.

    >>> tuned({"n_layers": 2, "tuning": {"trials": 20, "cpu_minutes": 29.84, "chosen": {"n_layers": 2}}})
    '20 trials, 29.84 CPU minutes: n_layers=2'
    >>> tuned({"n_layers": 1, "tuning": {"trials": 1, "cpu_minutes": 0.5, "chosen": {"n_layers": 2}}})
    '1 trial, 0.5 CPU minutes: n_layers=2 (run with 1)'
    >>> tuned({"tuning": {"trials": 3, "ended": {"completed": 2, "pruned": 1}, "cpu_minutes": 2, "chosen": {}}})
    '3 trials (2 completed, 1 pruned), 2 CPU minutes: '
    """
    found = config.get("tuning")
    if not found:
        return "none"
    chosen = [
        f"{name}={_shown(value)}" + ("" if config.get(name) == value else f" (run with {_shown(config.get(name))})")
        for name, value in found["chosen"].items()
    ]
    trials = f"{found['trials']} trial{'s' if found['trials'] != 1 else ''}"
    ended = ", ".join(f"{number} {name}" for name, number in found.get("ended", {}).items())
    trials += f" ({ended})" if ended else ""
    return f"{trials}, {found['cpu_minutes']} CPU minutes: {', '.join(chosen)}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pretrains(model: str, config: Any) -> bool:
    """Whether the run's own pretraining came before, as in S3Rec; others have it in runs of their own."""
    return model.startswith("S3Rec") and bool(config.get("pretrain_epochs"))


def duration(seconds: float) -> str:
    """
    >>> duration(0.62), duration(48), duration(857), duration(5171)
    ('0.6 s', '48 s', '14 min 17 s', '1 h 26 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def mebibytes(size: float) -> str:
    """
    >>> mebibytes(809.5), mebibytes(3957.5)
    ('810 MiB', '3.9 GiB')
    """
    return f"{size:.0f} MiB" if size < 1024 else f"{size / 1024:.1f} GiB"
