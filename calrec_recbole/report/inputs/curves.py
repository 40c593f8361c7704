"""Learning curves: the validation scores that a run's log holds, against the minutes that it had trained."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

__all__ = ["Curve", "read_curve"]

_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) \w+ (.*)$")
_STARTS = re.compile(r"^\S+ on \S+: ")  # the first line of a run, and of its every resumption
_CALREC = re.compile(r"^step (\d+): valid (\S+) (\S+) \(")
_RECBOLE = re.compile(r"^epoch (\d+) evaluating \[time: [^,]*, valid_score: ([-\d.]+)\]")


@dataclass(frozen=True)
class Curve:
    """``minutes``, ``steps`` (of CALRec; epochs of the others) and ``scores`` of the validations; ``unit``."""

    minutes: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    unit: str = "epoch"


def read_curve(log: Path) -> Curve:
    """Empty where the log is missing or holds no validation. Pauses between a kill and its resumption do not count."""
    if not log.is_file():
        return Curve()
    points: dict[int, tuple[float, float]] = {}
    unit, spent, previous = "epoch", timedelta(), None
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        logged = _LINE.match(line)
        if not logged:
            continue
        now = datetime.strptime(logged[1], "%Y-%m-%d %H:%M:%S") + timedelta(milliseconds=int(logged[2]))
        if previous is not None and not _STARTS.match(logged[3]):
            spent += now - previous
        previous = now
        if step := _CALREC.match(logged[3]):
            unit, points[int(step[1])] = "step", (spent.total_seconds() / 60, float(step[3]))
        elif epoch := _RECBOLE.match(logged[3]):
            points[int(epoch[1]) + 1] = spent.total_seconds() / 60, float(epoch[2])
    steps = sorted(points)
    return Curve([points[step][0] for step in steps], steps, [points[step][1] for step in steps], unit)
