"""The log of one run: a file of its own and the terminal. RecBole logs to the root logger, with colour codes."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from calrec_recbole.durable_files import writing

__all__ = ["logging_to"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _COLOUR.sub("", super().format(record))


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
def logging_to(file: Path, level: str = "INFO") -> Iterator[None]:
    """Within the block the root logger also writes to ``file`` and to the terminal; afterwards it is as before."""
    root = logging.getLogger()
    before = root.level
    to_file = _File(file, encoding="utf-8")
    to_file.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = _Terminal()
    to_terminal.setFormatter(_Plain("%(message)s"))
    handlers = (to_file, to_terminal)
    for handler in handlers:
        handler.addFilter(_of_a_run)
        root.addHandler(handler)
    root.setLevel(getattr(logging, str(level).upper(), logging.INFO))
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):  # the disk is full: somebody has said so
                handler.close()
