"""One run as a process of its own, with its share of cores or one GPU; what it prints goes to a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import yaml

__all__ = ["RunProcess", "command_of"]

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
START = (  # as the installed command, whose name then stands in environment.json
    "import sys; sys.argv[0] = 'run_recbole'; from calrec_recbole.cli.run_recbole import main; sys.exit(main())"
)


def command_of(model: str, dataset: str, config_files: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Arguments of ``run_recbole``, each a text that it reads back as the same value."""
    files = [f"--config_files={' '.join(config_files)}"] if config_files else []
    return [f"--model={model}", f"--dataset={dataset}", *files, *(f"--{k}={_text(v)}" for k, v in settings.items())]


def _text(value: Any) -> str:
    """One line of YAML: plain where that is unambiguous."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


class RunProcess:
    """A running ``run_recbole``; ``output`` is the file of all that it prints."""

    def __init__(self, arguments: list[str], output: Path, threads: int, gpu: str | None = None) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        self.output, self.gpu = output, gpu
        environment = os.environ | {name: str(threads) for name in THREADS} | {"PYTHONUNBUFFERED": "1"}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        self._stream: TextIO = output.open("w", encoding="utf-8")
        command = [sys.executable, "-c", START, *arguments]
        # a session of its own: Ctrl-C reaches the parent alone, which then stops its children in order
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._stream, stderr=self._stream, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        code = self.process.poll()
        if code is not None:
            self._stream.close()
        return code

    def signal(self, number: signal.Signals) -> None:
        """To the process and all that it started; nothing where it has ended."""
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
        return True

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
