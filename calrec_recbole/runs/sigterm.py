"""SIGTERM, by which clusters end a run: it stops where it can go on later. Ctrl-C stays as it is."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["EXIT", "Terminated", "sigterm_raises", "sigterm_waits"]

EXIT = 128 + signal.SIGTERM
AGAIN = 0.05  # seconds after which a signal whose exception was dropped comes again

logger = logging.getLogger(__name__)


class Terminated(SystemExit):
    """A SIGTERM came; ``advice`` says how to go on. Uncaught, the interpreter exits with 143 = 128 + 15."""

    def __init__(self, advice: str = "the same command starts the run again") -> None:
        super().__init__(EXIT)
        self.advice = advice

    def __str__(self) -> str:
        return self.advice


class _Raise:
    """A signal handler that raises ``Terminated``, and remembers it.

    C code that calls Python back, as numba's compiler does, drops an exception that is raised there and hands it to
    ``sys.unraisablehook``: `dropped` takes that hook's place and sends the signal again when the callback is over.
    """

    def __init__(self) -> None:
        self.came = False
        self.hook = sys.unraisablehook

    def __call__(self, *_: Any) -> NoReturn:
        self.came = True
        raise Terminated

    def dropped(self, lost: Any) -> None:
        if not isinstance(lost.exc_value, Terminated):
            self.hook(lost)
            return
        again = threading.Timer(AGAIN, self.send)
        again.daemon = True
        again.start()

    def send(self) -> None:
        if signal.getsignal(signal.SIGTERM) is self:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # also ends a sleep of it


@contextmanager
def sigterm_raises(*states: Path) -> Iterator[None]:
    """Within the block a SIGTERM raises ``Terminated``; a run goes on from the first of ``states`` that exists.

    Python hands signals to the main thread only: in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Raise()
    before = signal.signal(signal.SIGTERM, handler)
    sys.unraisablehook = handler.dropped
    try:
        yield
    except Terminated:
        state = next((path for path in states if path.exists()), None)
        advice = f"goes on from {state}" if state else "starts it again"
        logger.info("ended by SIGTERM")
        raise Terminated(f"the run is unfinished; the same command {advice}") from None
    finally:
        sys.unraisablehook = handler.hook
        signal.signal(signal.SIGTERM, before)


@contextmanager
def sigterm_waits() -> Iterator[Callable[[], bool]]:
    """Inside ``sigterm_raises``: holds ``Terminated`` back to the block's end. Yields a function: has SIGTERM come?

    Also one whose exception was dropped before the block counts.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not isinstance(handler, _Raise) or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = [signal.SIGTERM] if handler.came else []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, handler)
    if came:
        raise Terminated
