"""The log of one run: a file of its own and the terminal. RecBole logs to the root logger, with colour codes."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from calrec_recbole.durable_files import writing
from calrec_recbole.errors import CalrecError, OwnModelError

__all__ = ["logging_to"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONG = re.compile(r"\b\d+\.\d{7,}(?:e[-+]?\d+)?\b")  # a float in all its digits


class _Plain(logging.Formatter):
    """Without colours; RecBole's metrics in the line of their name, with five digits of seventeen."""

    def format(self, record: logging.LogRecord) -> str:
        text = _COLOUR.sub("", super().format(record)).replace(": \n", ": ")
        return _LONG.sub(lambda number: f"{float(number[0]):.5g}", text)


class _File(logging.FileHandler):
    """A full disk ends the run; logging itself would go on and print a traceback for every line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        problem = sys.exc_info()[1]
        if isinstance(problem, OSError):
            with writing(self.baseFilename):
                raise problem
        super().handleError(record)


class _Terminal(logging.Handler):
    """Prints above a progress bar instead of into it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def _of_a_run(record: logging.LogRecord) -> bool:
    """RecBole's lines, ours, and every warning; not the small talk of other libraries."""
    return record.levelno >= logging.WARNING or record.name.split(".")[0] in ("root", "recbole", "calrec_recbole")


@contextmanager
def _warnings_logged() -> Iterator[None]:
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if warnings.showwarning is not show:  # somebody inside listens on his own
                shown(message, category, *place)
                return
            name = "" if category is UserWarning else f"{category.__name__}: "
            logging.getLogger().warning("%s%s", name, " ".join(str(message).split()))

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _tell_end(to_file: logging.Handler, problem: BaseException) -> None:
    reason = " ".join(str(problem).split()) or type(problem).__name__
    cause = problem.__cause__ if isinstance(problem, OwnModelError) else None
    trace = (type(cause), cause, cause.__traceback__) if cause else None
    record = logging.LogRecord("calrec_recbole", logging.ERROR, __file__, 0, "ended by: %s", (reason,), trace)
    with suppress(OSError, CalrecError):  # the disk is full
        to_file.handle(record)


@contextmanager
def logging_to(file: Path, level: str = "INFO", quiet: bool = False) -> Iterator[None]:
    """Within the block the root logger also writes to ``file`` and to the terminal; afterwards it is as before.

    With ``quiet`` the terminal shows warnings only.

    Python's warnings go there too, and an error that ends the block to ``file``, of an ``OwnModelError`` with its
    traceback: whoever catches it tells the user.
    """
    root = logging.getLogger()
    before = root.level
    to_file = _File(file, encoding="utf-8")
    to_file.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = _Terminal()
    to_terminal.setFormatter(_Plain("%(message)s"))
    to_terminal.setLevel(logging.WARNING if quiet else logging.NOTSET)
    handlers = (to_file, to_terminal)
    for handler in handlers:
        handler.addFilter(_of_a_run)
        root.addHandler(handler)
    root.setLevel(getattr(logging, str(level).upper(), logging.INFO))
    try:
        with _warnings_logged():
            yield
    except (Exception, KeyboardInterrupt) as problem:
        _tell_end(to_file, problem)
        raise
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):  # the disk is full: somebody has said so
                handler.close()
