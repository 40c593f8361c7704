"""One run as a process of its own, with its share of cores or one GPU; what it prints goes to a file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_files import parse_value

__all__ = ["Launcher", "Local", "RunProcess", "Started", "command_of", "interpreter", "told_by"]

GRACE_SECONDS = 20.0  # after SIGINT, and again after SIGTERM
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
START = (  # as the installed command, whose name then stands in environment.json; deaf to Slurm's warning
    "import signal, sys; sys.argv[0] = 'run_recbole'; signal.signal(signal.SIGUSR2, signal.SIG_IGN); "
    "from calrec_recbole.comparison.lease import end_with_parent; "
    "end_with_parent(); from calrec_recbole.cli.run_recbole import main; sys.exit(main())"
)


def command_of(model: str, dataset: str, config_files: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Arguments of ``run_recbole``, each a text that it reads back as the same value."""
    files = [f"--config_files={' '.join(config_files)}"] if config_files else []
    return [f"--model={model}", f"--dataset={dataset}", *files, *(f"--{k}={_text(v)}" for k, v in settings.items())]


def _text(value: Any) -> str:
    """One line of YAML that is read back as ``value``: plain where that is unambiguous, else JSON."""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        alike = parse_value(plain) == value and "\n" not in plain
    except ConfigError:
        alike = False
    return plain if alike else json.dumps(value, ensure_ascii=False)


def interpreter(arguments: list[str]) -> list[str]:
    """The whole command of a ``run_recbole`` that ends with its parent."""
    return [sys.executable, "-c", START, *arguments]


class Started(Protocol):
    """A run that a launcher has started; ``gpu``: what it was assigned."""

    @property
    def gpu(self) -> str | None: ...

    def poll(self) -> int | None:
        """The exit code; None while it is not over."""

    def error(self) -> str:
        """Why it failed, in one line."""


class Launcher(Protocol):
    """How a comparison's runs start; ``starts_as`` is the state that a started run has."""

    starts_as: str

    def start(self, arguments: list[str], output: Path, folder: Path, gpu: str | None, lease: Lease) -> Any: ...

    def stop(self, started: Sequence[Any]) -> None:
        """The comparison ends before these have."""


class Local:
    """Starts runs as processes of this machine, with ``threads`` CPU threads each."""

    starts_as = "running"

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def start(self, arguments: list[str], output: Path, folder: Path, gpu: str | None, lease: Lease) -> "RunProcess":
        return RunProcess(interpreter(arguments), output, self.threads, gpu, lease.descriptor)

    def stop(self, started: Sequence["RunProcess"]) -> None:
        """First as Ctrl-C would, so that each run ends as it should; then harder."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for process in started:
                process.signal(number)
            deadline = time.monotonic() + GRACE_SECONDS
            if all(process.wait(max(0.0, deadline - time.monotonic())) for process in started):
                return


class RunProcess:
    """A running ``command``; ``output`` is the file of all that it prints.

    It ends when this process does, however that ends, and holds the descriptor ``lease`` as long as it lives.
    """

    def __init__(
        self, command: list[str], output: Path, threads: int, gpu: str | None = None, lease: int | None = None
    ) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        self.output, self.gpu = output, gpu
        environment = os.environ | {name: str(threads) for name in THREADS} | {"PYTHONUNBUFFERED": "1"}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        with output.open("w", encoding="utf-8") as stream:
            # a session of its own: Ctrl-C reaches the parent alone, which then stops its children in order
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # never written: its end tells the run that this process is gone
                pass_fds=[] if lease is None else [lease],
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        code = self.process.poll()
        if code is not None and self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Sends the signal to the process and to all that it started; does nothing where it has ended."""
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Whether it ended within ``seconds``."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return self.poll() is not None

    def error(self) -> str:
        """Why it failed, in one line: the run's own ``error:``, a traceback's last line, or the signal."""
        code = self.process.returncode
        if code < 0:
            name = signal.Signals(-code).name
            return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "") + f"; see {self.output}"
        return told_by(self.output) or f"no message; see {self.output}"


def told_by(output: Path) -> str | None:
    """The last ``error:`` of a run's output, else its last line and where it stands; None where there is none."""
    if not output.is_file():
        return None
    lines = [line.strip() for line in output.read_text(encoding="utf-8", errors="replace").splitlines()]
    told = [line.partition("error: ")[2] for line in lines if line.startswith(("error: ", "slurmstepd: error: "))]
    if told:
        return told[-1]
    last = next((line for line in reversed(lines) if line), None)
    return last and f"{last}; see {output}"
