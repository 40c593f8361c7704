"""What a Slurm job does on its node: the run's own process, alone at its folder, and once more after a requeue."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.comparison.process import RunProcess
from calrec_recbole.runs.run_folder import users_left

__all__ = ["RunJob"]

WAIT_SECONDS = 1.0
END_SECONDS = 60.0  # of the 90 that submitit leaves between its signal and the end


class RunJob:
    """Calling it runs ``command`` where the run in ``folder`` is not whole yet, and gives the exit code.

    It waits while another job or process holds the lease. submitit calls ``checkpoint`` when the time ends or the job
    is preempted, and queues what it gives: the same once more, which goes on where the run stood.
    """

    def __init__(self, command: list[str], output: Path, folder: Path, lease: Path) -> None:
        self.command, self.output, self.folder, self.lease = command, output, folder, lease
        self.process: RunProcess | None = None

    def __call__(self) -> int:
        lease = Lease(self.lease)
        while not lease.take():
            time.sleep(WAIT_SECONDS)
        if users_left(self.folder) == 0:  # done while this job was queued
            return 0
        self.process = RunProcess(self.command, self.output, _threads(), lease=lease.descriptor)
        while not self.process.wait(WAIT_SECONDS):
            pass
        code = self.process.poll()
        assert code is not None
        if code < 0:  # it could not say so itself
            with self.output.open("a", encoding="utf-8") as stream:
                stream.write(f"\nerror: {self.process.error()}\n")
        return code

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            self.process.signal(signal.SIGTERM)
            self.process.wait(END_SECONDS)
        return DelayedSubmission(RunJob(self.command, self.output, self.folder, self.lease))


def _threads() -> int:
    """CPUs that the job was given."""
    return int(os.environ.get("SLURM_CPUS_PER_TASK") or len(os.sched_getaffinity(0)))
