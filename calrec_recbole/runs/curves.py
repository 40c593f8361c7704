"""A run's learning curves: ``curves.csv``, one row for every value that training tells."""

import csv
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from calrec_recbole.durable_files import replacing_file, writing

__all__ = ["CURVES_FILE", "Curve", "CurvesFile", "Point", "read_curve", "read_points"]

CURVES_FILE = "curves.csv"


class Point(NamedTuple):
    """``seconds`` since training began, without pauses between a kill and its resumption; ``step`` as the trainer
    counts: optimiser steps of CALRec, epochs of other models.
    """

    step: int
    seconds: float
    metric: str  # "train/loss", "valid/mrr_pes"
    value: float


@dataclass(frozen=True)
class Curve:
    """One metric over a training: equally long lists."""

    minutes: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class CurvesFile:
    """Appends values to ``file`` (none where it is None); each row is on its way to the disk at once."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.began = time.perf_counter()  # of training, as if it had never been interrupted

    def begin(self, began: float, resumed_at: float = 0.0) -> None:
        """Sets the clock to ``began`` (on ``time.perf_counter``) and drops the rows after ``resumed_at`` seconds of
        training: what they tell of is done again.
        """
        self.began = began
        if self.file is None or not self.file.is_file():
            return
        kept = [point for point in read_points(self.file) if point.seconds <= resumed_at]
        with replacing_file(self.file) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([Point._fields, *kept])

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Writes ``values`` by metric at ``step``. Raises ``StorageError`` where the disk is full."""
        if self.file is None:
            return
        seconds = int(1000 * (time.perf_counter() - self.began)) / 1000  # never after the state that follows
        with writing(self.file), self.file.open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            if not file.tell():
                rows.writerow(Point._fields)
            rows.writerows(Point(step, seconds, metric, value) for metric, value in values.items())


def read_points(file: Path) -> Iterator[Point]:
    """The rows of ``file`` in order; a row that a kill cut is left out."""
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = csv.reader(lines)
        while True:
            try:
                step, seconds, metric, value = next(rows)
                point = Point(int(step), float(seconds), metric, float(value))
            except (ValueError, csv.Error):
                continue  # the head, the last row of a killed run, or what is damaged
            except StopIteration:
                return
            if math.isfinite(point.seconds) and 0 <= point.step < 2**53:
                yield point


def read_curve(file: Path, metric: str) -> Curve:
    """The points of ``metric`` in ``file``; empty where the file is missing, as in runs older than it."""
    points = [point for point in read_points(file) if point.metric == metric] if file.is_file() else []
    return Curve(
        [point.seconds / 60 for point in points],
        [point.step for point in points],
        [point.value for point in points],
    )
