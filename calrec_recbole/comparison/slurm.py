"""Runs of a comparison as jobs of a Slurm cluster, by submitit; they outlive the comparison, which finds them again."""

import getpass
import io
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.comparison.process import interpreter, told_by
from calrec_recbole.comparison.slurm_job import RunJob
from calrec_recbole.durable_files import write_text
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.stored_files import one_line, reading

__all__ = ["Slurm", "SlurmRun"]

POLL_SECONDS = 5.0
OWN = ("job_name", "nodes", "ntasks_per_node", "array_parallelism", "num_gpus")  # a run is one task of one node
LINES, WORDS, MAPPING = ("setup", "teardown"), "srun_args", "additional_parameters"
REQUEUES = 20  # at the end of its time; each goes on where the run stood
INSTALL = "--launcher=slurm needs submitit: pip install submitit"


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
        self.parameters = {name: _as_submitit_has_it(name, value) for name, value in parameters.items()}
        if "cpus_per_task" in parameters:  # since Slurm 22.05 srun does not take it from sbatch
            cpus = f"--cpus-per-task={parameters['cpus_per_task']}"
            self.parameters[WORDS] = [cpus, *self.parameters.get(WORDS, [])]
        self._queue = _Queue()
        self._queue.ask(needed=True)

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
            with redirect_stderr(io.StringIO()):  # submitit prints what it raises
                return str(executor.submit(job).job_id)
        except Exception as problem:
            raise ConfigError(f"--launcher=slurm: sbatch refuses ({one_line(problem)}): see --slurm.NAME") from problem


def _as_submitit_has_it(name: str, value: Any) -> Any:
    """A text where submitit has a list is its lines or its words. Raises ``ConfigError`` for another kind of value."""
    if name in (*LINES, WORDS):
        if isinstance(value, str):
            with reading(f"--slurm.{name}={value} is no list of words", "mend its quotes", ConfigError):
                return shlex.split(value) if name == WORDS else value.splitlines()
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        raise ConfigError(f"--slurm.{name}={value} must be a text, or a list of texts: quote it")
    if isinstance(value, Mapping) != (name == MAPPING) or isinstance(value, list):
        wanted = "a mapping, such as '{reservation: mine}'" if name == MAPPING else "one value"
        raise ConfigError(f"--slurm.{name}={value} must be {wanted}")
    return value


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
            self.ask(needed=fresh)
        return (number, name) in self._jobs

    def ask(self, needed: bool) -> None:
        """Raises ``ConfigError`` where the answer is ``needed`` and none comes."""
        command = ["squeue", "--noheader", "--format=%A|%j", f"--user={getpass.getuser()}"]
        self._asked = time.monotonic()
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.SubprocessError) as problem:
            if needed:
                told = str(getattr(problem, "stderr", "") or problem).strip().splitlines()[-1]
                raise ConfigError(
                    f"--launcher=slurm: squeue fails ({told}): start it where a cluster answers, or --launcher=local"
                ) from None
            return
        lines = (line.strip().partition("|") for line in answer.splitlines())
        self._jobs = {(number, name) for number, _, name in lines}
