"""``evaluate_minutes``: batch after batch, until the time is over."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from calrec_recbole.runs.sigterm import sigterm_waits

__all__ = ["Limited"]


class Limited:
    """The batches of ``loader``, ``rounds`` at most; of several processes all end after the same round.

    Rounds that bring nothing new, by ``done()``, take no time. At least one other is given out, and after it none that,
    going by the one before, would end after ``minutes``; 0 is no limit. A process whose ``loader`` is None or ends
    sooner takes part in what ``any_says`` decides.
    """

    def __init__(
        self,
        loader: Any,
        dataset: Any,
        rounds: int,
        minutes: float,
        done: Callable[[], int],
        any_says: Callable[[bool], bool],
    ) -> None:
        self.loader, self._dataset, self.rounds = loader, dataset, rounds
        self.seconds, self.done, self.any_says = 60 * minutes, done, any_says

    def __len__(self) -> int:
        return self.rounds

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader or ())
        spent, latest = 0.0, 0.0
        for _ in range(self.rounds):
            with sigterm_waits():  # also one whose exception was dropped by C code
                pass
            if self.seconds and self.any_says(spent > 0 and spent + latest > self.seconds):
                return
            before, began = self.done(), time.perf_counter()
            batch = next(batches, None)
            if batch is not None:
                yield batch
            if self.done() > before:
                latest = time.perf_counter() - began
                spent += latest
