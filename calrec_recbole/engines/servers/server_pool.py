"""Many requests at many servers: what one of them does not answer is asked again, there or at another."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Generic, TypeVar

from calrec_recbole.engines.servers.server import Server, UnreachableError
from calrec_recbole.errors import ConfigError

__all__ = ["ServerPool"]

Job = TypeVar("Job")
LONGEST_PAUSE = 30.0  # seconds
MINUTE = 60.0


@dataclass
class _Round(Generic[Job]):
    """What the threads of one call share."""

    waiting: "queue.SimpleQueue[tuple[int, Job]]" = field(default_factory=queue.SimpleQueue)
    done: "queue.SimpleQueue[tuple[int, Any]]" = field(default_factory=queue.SimpleQueue)
    over: threading.Event = field(default_factory=threading.Event)
    answered: float = field(default_factory=time.monotonic)  # when any server last did


@dataclass(frozen=True)
class ServerPool:
    """``requests`` in flight at each of ``servers``; ``patience`` in minutes, of no answer from any of them."""

    servers: Sequence[Server]
    requests: int
    patience: float
    first_pause: float = 1.0  # seconds; doubled after each failure

    def answers(self, jobs: Sequence[Job], ask: Callable[[Server, Job], Any]) -> Iterator[tuple[int, Any]]:
        """The place of each job with what ``ask`` returned for it, as they come.

        A job for which ``ask`` raises ``UnreachableError`` is done again. Raises ``ConfigError`` once no server has
        answered for ``patience``, and whatever else ``ask`` raises.
        """
        shared: _Round[Job] = _Round()
        for job in enumerate(jobs):
            shared.waiting.put(job)
        share = min(self.requests, ceil(len(jobs) / len(self.servers)))
        for server in [server for _ in range(share) for server in self.servers]:
            threading.Thread(target=self._work, args=(shared, server, ask), daemon=True).start()
        try:
            for _ in jobs:
                place, answer = shared.done.get()
                if isinstance(answer, Exception):
                    raise answer
                yield place, answer
        finally:
            shared.over.set()

    def _work(self, shared: "_Round[Job]", server: Server, ask: Callable[[Server, Job], Any]) -> None:
        pause = self.first_pause
        while not shared.over.is_set():
            try:
                place, job = shared.waiting.get_nowait()
            except queue.Empty:
                return  # one that fails elsewhere is done again there
            try:
                answer = ask(server, job)
            except UnreachableError as problem:
                shared.waiting.put((place, job))
                if time.monotonic() - shared.answered > self.patience * MINUTE:
                    shared.done.put((place, self._given_up(server, problem)))
                    return
                shared.over.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as problem:
                shared.done.put((place, problem))
                return
            else:
                shared.answered, pause = time.monotonic(), self.first_pause
                shared.done.put((place, answer))

    def _given_up(self, server: Server, problem: Exception) -> ConfigError:
        return ConfigError(
            f"engine_url={server.url} does not answer ({problem}), nor did another for engine_patience="
            f"{self.patience} minutes: start it again; the same command goes on with the users that are left"
        )
