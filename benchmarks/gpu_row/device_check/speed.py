"""How fast are the recipe's steps and its samples on the device, and what do they come to for one row?"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from calrec_recbole.runs.environment import peak_memory
from calrec_recbole.training import StepReport, Training
from gpu_row.device_check.material import Material
from gpu_row.device_check.verdict import verdict

__all__ = ["speed"]

STEPS, FIRST = 6, 2  # optimiser steps; those that load kernels are not timed
ROW_MINUTES = 10.0  # what one row may take on one GPU


def speed(given: Material, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """-> the check that a row fits its minutes, and what was measured, as text. Changes the weights."""
    user = _seconds_a_user(given)
    every, calrec, asked = _step(given, dense=True), _step(given, dense=False), given.settings
    training = asked.warmup_steps * every.seconds + (asked.train_steps - asked.warmup_steps) * calrec.seconds
    minutes = (training + given.tested * user) / 60
    told = [
        f"{name}: {every.rate:,.0f} tokens/s with the loss on every item, {calrec.rate:,.0f} of Eq. 4 ({calrec.how})",
        f"{1000 * user:.1f} ms a user for {given.recommender.settings.n_gen} samples before training",
        ", ".join(f"{size / 1024:.1f} GiB at the peak ({of})" for of, size in peak_memory(given.device).items()),
    ]
    return [verdict(f"{name}, minutes of one row at this speed", minutes, ROW_MINUTES)], told


def _seconds_a_user(given: Material) -> float:
    seeds = list(range(len(given.prompts)))
    given.recommender.predictions(given.prompts[:2], seeds[:2])  # kernels are loaded
    return _seconds(lambda: given.recommender.predictions(given.prompts, seeds)) / len(seeds)


class _Step(NamedTuple):
    seconds: float
    rate: float  # tokens a second
    how: str


def _step(given: Material, dense: bool) -> _Step:
    """One of the recipe's steps."""
    steps: dict[str, Any] = {"train_steps": STEPS, "warmup_steps": STEPS if dense else 0, "train_minutes": 0.0}
    settings = replace(given.settings, **steps)
    backbone, items = given.backbone, given.recommender.items
    training = Training(backbone, items, given.sequences, settings, given.seed, given.device)
    reports: list[StepReport] = []
    training.run(FIRST, reports.append)
    seconds = _seconds(lambda: training.run(STEPS, reports.append))
    tokens = sum(report.tokens for report in reports[FIRST:])
    rows = "packed" if training.packed else "padded"
    how = f"{rows}, {str(training.precision).removeprefix('torch.')}, kernels: {training.kernels}"
    return _Step(seconds / (STEPS - FIRST), tokens / seconds, how)


def _seconds(work: Callable[[], object]) -> float:
    """Steps and samples wait for the device themselves."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
