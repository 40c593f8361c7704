"""A budget of minutes in the place of a number of steps: how fast is a step, and what does the recipe come to?"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from calrec_recbole.training.settings import TrainingSettings

__all__ = ["laid_over", "seconds_of", "steps_within"]

TRIALS = 3  # timed gradients of each phase, after one that is not: kernels are loaded on the first
SHARE = 0.97  # of the minutes are planned: batches differ


def steps_within(settings: TrainingSettings, warmup: float, calrec: float) -> int:
    """The optimiser steps that ``settings.train_minutes`` hold where one takes ``warmup`` and, after the warm-up,
    ``calrec`` seconds; the warm-up's share of the steps is that of ``settings``. At least 1.

    >>> steps_within(TrainingSettings(train_steps=100, warmup_steps=80, train_minutes=1.0), 0.5, 1.5)
    83
    """
    share = settings.warmup_steps / settings.train_steps
    seconds = SHARE * 60 * settings.train_minutes
    return max(1, int(seconds / (share * warmup + (1 - share) * calrec)))


def laid_over(settings: TrainingSettings, steps: int) -> TrainingSettings:
    """``settings`` of ``steps`` steps: warm-up and the learning rate's rise take the share of them that they took."""
    share = steps / settings.train_steps
    warmup = min(steps, round(share * settings.warmup_steps))
    rise = round(share * settings.lr_warmup_steps)
    return replace(settings, train_steps=steps, warmup_steps=warmup, lr_warmup_steps=rise, train_minutes=0.0)


def seconds_of(gradient: Callable[[int], object], first: int, clock: Callable[[], float]) -> float:
    """Seconds that ``gradient(step)`` takes on average over a few steps from ``first`` on, by ``clock()``."""
    steps = count(first)
    gradient(next(steps))
    began = clock()
    for _ in range(TRIALS):
        gradient(next(steps))
    return (clock() - began) / TRIALS
