"""How the minutes of a call are shared among the phases that are left."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Minutes", "NotReached", "Part"]


class NotReached(Exception):  # noqa: N818  nothing is wrong: the minutes are over
    """What is left does not do for a phase; the message says why."""


class Part(NamedTuple):
    """Of a call ``left`` minutes are left. A phase gets ``own`` of them; ``fair``, had all before it kept to theirs."""

    own: float
    fair: float
    left: float


class Minutes:
    """``call`` minutes from now on, by ``clock`` (seconds), for phases of ``weights`` by name."""

    def __init__(self, call: float, weights: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self.call, self.weights, self._clock = call, weights, clock
        self._end = clock() + 60 * call

    @property
    def left(self) -> float:
        return max(0.0, (self._end - self._clock()) / 60)

    def part(self, name: str, waiting: Sequence[str]) -> Part:
        """Of the phase ``name``, the first of those that are ``waiting``. What a phase leaves goes to those after it.

        Raises ``NotReached`` where nothing is left.

        >>> minutes = Minutes(10, {"train": 3, "test": 1}, clock=iter([0, 60, 540]).__next__)
        >>> minutes.part("train", ["train", "test"]).own, minutes.part("test", ["test"]).own
        (6.75, 1.0)
        """
        left = self.left
        if not left:
            raise NotReached(f"the {self.call:g} minutes are over")
        weight = self.weights[name]
        own = left * weight / sum(self.weights[one] for one in waiting)
        return Part(own, self.call * weight / sum(self.weights.values()), left)
