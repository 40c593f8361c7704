"""What the next step needs, put together in a thread while the device works on the present one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["Prefetch"]

Made = TypeVar("Made")


class Prefetch(Generic[Made]):
    """``make(step)`` of the step asked for, and already of the one after it; a context that ends its thread.

    ``make`` must depend on its step alone.
    """

    def __init__(self, make: Callable[[int], Made]) -> None:
        self._make = make
        self._next: tuple[int, Future[Made]] | None = None

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-batch")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._next = None

    def get(self, step: int) -> Made:
        """That of ``step``; the next one is begun."""
        known, self._next = self._next, None
        made = known[1].result() if known and known[0] == step else self._make(step)
        self._next = step + 1, self._thread.submit(self._make, step + 1)
        return made

    def forget(self) -> None:
        """What was made ahead no longer holds."""
        self._next = None
