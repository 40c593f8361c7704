"""One run as a process of its own, with its share of cores or one GPU; what it prints goes to a file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_files import parse_value

__all__ = ["RunProcess", "command_of"]

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
START = (  # as the installed command, whose name then stands in environment.json
    "import sys; sys.argv[0] = 'run_recbole'; from calrec_recbole.comparison.lease import end_with_parent; "
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


class RunProcess:
    """A running ``run_recbole``; ``output`` is the file of all that it prints.

    It ends when this process does, however that ends, and holds the descriptor ``lease`` as long as it lives.
    """

    def __init__(
        self, arguments: list[str], output: Path, threads: int, gpu: str | None = None, lease: int | None = None
    ) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        self.output, self.gpu = output, gpu
        environment = os.environ | {name: str(threads) for name in THREADS} | {"PYTHONUNBUFFERED": "1"}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        command = [sys.executable, "-c", START, *arguments]
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
        lines = [line.strip() for line in self.output.read_text(encoding="utf-8", errors="replace").splitlines()]
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        if told:
            return told[-1]
        last = next((line for line in reversed(lines) if line), "no message")
        return f"{last}; see {self.output}"
