"""A run belongs to the comparison that started it: it ends with it, and no other comparison starts it meanwhile."""

import ctypes
import fcntl
import os
import signal
import sys
import threading
from pathlib import Path

__all__ = ["Lease", "end_with_parent"]

PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that comes when the parent dies


class Lease:
    """The right to start one run: a locked file, which the run's own process holds too.

    So it lasts until both have ended, also where the one who took it was killed.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file, self.descriptor = file, -1

    def take(self) -> bool:
        """Whether it was free, or is ours already."""
        if self.descriptor >= 0:
            return True
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def give_back(self) -> None:
        """Lets it go here; a run that still lives keeps it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def end_with_parent() -> None:
    """From now on SIGTERM comes when the process that started this one is gone, however it ended.

    Linux sends it. Anywhere a thread waits for the end of stdin, a pipe whose other end only the parent has.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(sys.stdin.fileno(),), daemon=True, name="parent").start()


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgid(0), signal.SIGTERM)  # also what this process has started
