"""Many requests at many servers: what one of them does not answer is asked again, there or at another."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, TypeVar

from calrec_recbole.engines.servers.server import Server, UnreachableError
from calrec_recbole.errors import ConfigError

__all__ = ["ServerPool"]

Job = TypeVar("Job")
LONGEST_PAUSE = 30.0  # seconds
MINUTE = 60.0


class _Round(Generic[Job]):
    """What the threads of one call share; a thread that finds ``None`` waiting ends."""

    def __init__(self, jobs: Sequence[Job], servers: Sequence[Server], patience: float) -> None:
        self.waiting: queue.SimpleQueue[tuple[int, Job] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self.over = threading.Event()
        self.patience = patience * MINUTE
        self.failing: dict[str, float | None] = {server.url: None for server in servers}  # since when
        for job in enumerate(jobs):
            self.waiting.put(job)

    def end(self, threads: int) -> None:
        self.over.set()
        for _ in range(threads):
            self.waiting.put(None)

    def answered(self, server: Server) -> None:
        self.failing[server.url] = None

    def failed(self, server: Server) -> bool:
        """Whether by now every server has failed for ``patience``, each since its first failure after an answer."""
        now = time.monotonic()
        self.failing[server.url] = self.failing[server.url] or now
        return all(since is not None and now - since >= self.patience for since in list(self.failing.values()))


@dataclass(frozen=True)
class ServerPool:
    """``requests`` in flight at each of ``servers``; ``patience`` in minutes, of failures at all of them."""

    servers: Sequence[Server]
    requests: int
    patience: float
    first_pause: float = 1.0  # seconds; doubled after each failure

    def answers(self, jobs: Sequence[Job], ask: Callable[[Server, Job], Any]) -> Iterator[tuple[int, Any]]:
        """The place of each job with what ``ask`` returned for it, as they come.

        A job for which ``ask`` raises ``UnreachableError`` is done again, by whichever server is free. Raises
        ``ConfigError`` once all servers have failed for ``patience``, and whatever else ``ask`` raises.
        """
        shared = _Round(jobs, self.servers, self.patience)
        share = min(self.requests, ceil(len(jobs) / len(self.servers)))
        workers = [server for _ in range(share) for server in self.servers]
        for server in workers:
            threading.Thread(target=self._work, args=(shared, server, ask), daemon=True).start()
        try:
            for _ in jobs:
                place, answer = shared.done.get()
                if isinstance(answer, Exception):
                    raise answer
                yield place, answer
        finally:
            shared.end(len(workers))

    def _work(self, shared: "_Round[Job]", server: Server, ask: Callable[[Server, Job], Any]) -> None:
        pause = self.first_pause
        while (waiting := shared.waiting.get()) and not shared.over.is_set():
            place, job = waiting
            try:
                answer = ask(server, job)
            except UnreachableError as problem:
                if shared.failed(server):
                    shared.done.put((place, self._given_up(server, problem)))
                    return
                shared.waiting.put(waiting)
                shared.over.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as problem:
                shared.done.put((place, problem))
                return
            else:
                shared.answered(server)
                pause = self.first_pause
                shared.done.put((place, answer))

    def _given_up(self, server: Server, problem: Exception) -> ConfigError:
        return ConfigError(
            f"engine_url={server.url} does not answer ({problem}), nor did another for engine_patience="
            f"{self.patience} minutes: start it again; the same command goes on with the users that are left"
        )
