"""Runs of a comparison as jobs of a Slurm cluster, by submitit; they outlive the comparison, which finds them again."""

import getpass
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.comparison.process import interpreter, told_by
from calrec_recbole.comparison.slurm_job import RunJob
from calrec_recbole.durable_files import write_text
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.stored_files import one_line

__all__ = ["Slurm", "SlurmRun"]

POLL_SECONDS = 5.0
OWN = ("job_name", "nodes", "ntasks_per_node", "array_parallelism", "num_gpus")  # a run is one task of one node
REQUEUES = 20  # at the end of its time; each goes on where the run stood
INSTALL = "--launcher=slurm needs submitit: pip install 'calrec-recbole[slurm]'"


class Slurm:
    """Submits runs with ``parameters``, submitit's names of sbatch's options; ``time`` in minutes must be among them.

    Raises ``ConfigError`` where submitit or Slurm's commands are missing or a parameter is wrong.
    """

    starts_as = "submitted"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        try:
            from submitit import SlurmExecutor
        except ImportError:
            raise ConfigError(INSTALL) from None
        known = sorted(SlurmExecutor._valid_parameters() - {*OWN})
        for name in parameters:
            if name not in known:
                raise ConfigError(f"--slurm.{name} is none of {', '.join(known)}{did_you_mean(name, known)}")
        minutes = parameters.get("time")
        if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes < 1:
            raise ConfigError(f"--slurm.time={minutes} must be the minutes of one job, such as --slurm.time=240")
        if SlurmExecutor.affinity() < 1:
            raise ConfigError("--launcher=slurm finds no srun here: start it where sbatch works, or --launcher=local")
        self.parameters = dict(parameters)
        if "cpus_per_task" in parameters:  # since Slurm 22.05 srun does not take it from sbatch
            cpus = f"--cpus-per-task={parameters['cpus_per_task']}"
            self.parameters["srun_args"] = [cpus, *parameters.get("srun_args", [])]
        self._queue = _Queue()

    def start(self, arguments: list[str], output: Path, folder: Path, gpu: str | None, lease: Lease) -> "SlurmRun":
        """The job that an earlier comparison queued for this run, or a new one, which takes the lease when it runs."""
        record, jobs = output.with_suffix(".job"), output.parent / "slurm"
        number = record.read_text(encoding="utf-8").strip() if record.is_file() else ""
        if not self._queue.holds(number, output.stem, fresh=True):
            output.unlink(missing_ok=True)
            job = RunJob(interpreter(arguments), output.absolute(), folder.absolute(), lease.file.absolute())
            number = self._submit(job, output.stem, jobs)
            write_text(record, number)
            self._queue.add(number, output.stem)
        lease.give_back()
        return SlurmRun(number, output, jobs, self._queue)

    def stop(self, started: Sequence["SlurmRun"]) -> None:
        """Leaves the jobs to the cluster: the same comparison takes them up again."""

    def _submit(self, job: RunJob, name: str, jobs: Path) -> str:
        from submitit import SlurmExecutor

        executor = SlurmExecutor(jobs.absolute(), max_num_timeout=REQUEUES)
        executor.update_parameters(**self.parameters, job_name=name)
        try:
            return str(executor.submit(job).job_id)
        except Exception as problem:
            raise ConfigError(f"--launcher=slurm: sbatch refuses ({one_line(problem)}): see --slurm.NAME") from problem


class SlurmRun:
    """A run as a queued or running job; ``output`` is the file of all that the run prints."""

    gpu = None

    def __init__(self, number: str, output: Path, jobs: Path, queue: "_Queue") -> None:
        self.number, self.output = number, output
        self._log, self._queue = jobs / f"{number}_0_log.err", queue

    def poll(self) -> int | None:
        """None while the cluster has the job, then 0: the run's folder tells how it ended."""
        return None if self._queue.holds(self.number, self.output.stem) else 0

    def error(self) -> str:
        """Why it failed, in one line: what the run or else the cluster said."""
        told = told_by(self.output)
        if told is None and self._log.is_file():
            told = told_by(self._log)
        return f"job {self.number}: {told or f'ended before the run began; see {self._log}'}"


class _Queue:
    """This user's jobs, asked for at most every ``POLL_SECONDS``; while ``squeue`` fails, none has ended."""

    def __init__(self) -> None:
        self._jobs: set[tuple[str, str]] = set()
        self._asked = 0.0

    def add(self, number: str, name: str) -> None:
        self._jobs.add((number, name))

    def holds(self, number: str, name: str, fresh: bool = False) -> bool:
        if not number:
            return False
        if fresh or time.monotonic() - self._asked > POLL_SECONDS:
            self._ask(needed=fresh)
        return (number, name) in self._jobs

    def _ask(self, needed: bool) -> None:
        command = ["squeue", "--noheader", "--format=%A|%j", f"--user={getpass.getuser()}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        self._asked = time.monotonic()
        if answer.returncode == 0:
            lines = (line.strip().partition("|") for line in answer.stdout.splitlines())
            self._jobs = {(number, name) for number, _, name in lines}
        elif needed:
            told = " ".join(answer.stderr.split())
            raise ConfigError(f"--launcher=slurm: squeue fails ({told}): try again when the cluster answers")
