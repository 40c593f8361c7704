"""Commands and processes of single runs."""

import signal
import time
from pathlib import Path

import pytest

from calrec_recbole.comparison import process
from calrec_recbole.comparison.process import RunProcess, command_of
from calrec_recbole.setting_files import parse_arguments

VALUES = {
    "a": "text", "b": "1e-4", "c": 1.0e-4, "d": [1, 10], "e": None, "f": "", "g": True, "h": "true",
    "i": {"LS": "x, y"}, "j": "a: b", "k": "~", "l": "x" * 200, "m": ["a b", "ü"], "n": "2020",
}  # fmt: skip


def test_settings_arrive_as_they_left():
    model, dataset, files, *rest = command_of("LIR", "ml-100k", ["demo", "my file.yaml"], VALUES)
    assert (model, dataset, files) == ("--model=LIR", "--dataset=ml-100k", "--config_files=demo my file.yaml")
    assert parse_arguments(rest) == VALUES
    assert not any("\n" in argument for argument in rest)


@pytest.fixture
def running(monkeypatch, tmp_path):
    """Starts a line of Python in the place of ``run_recbole``."""

    def start(code, **options):
        monkeypatch.setattr(process, "START", code)
        return RunProcess(process.interpreter(["--x=1"]), tmp_path / "logs" / "out.txt", threads=3, **options)

    return start


def test_a_run_has_its_share_of_threads_and_its_gpu(running, tmp_path):
    code = "import os, sys; print(sys.argv[1], os.environ['OMP_NUM_THREADS'], os.environ['CUDA_VISIBLE_DEVICES'])"
    found = running(code, gpu="5")
    assert found.wait(60)
    assert found.poll() == 0
    assert (tmp_path / "logs" / "out.txt").read_text() == "--x=1 3 5\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import sys; print('error: no data', file=sys.stderr); sys.exit(2)", "no data"),
        ("raise ValueError('boom')", "ValueError: boom; see "),
        ("import sys; sys.exit(3)", "no message; see "),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?); see "),
    ],
)
def test_a_failure_is_told_in_one_line(code, expected, running):
    found = running(code)
    assert found.wait(60)
    assert found.poll() != 0
    assert found.error().startswith(expected)
    assert "\n" not in found.error()


def test_a_signal_reaches_the_whole_group(running, tmp_path):
    """The run and what it started."""
    beat = tmp_path / "beat"
    child = f"import pathlib, time\nwhile True: pathlib.Path({str(beat)!r}).touch(); time.sleep(0.01)"
    found = running(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    deadline = time.monotonic() + 60
    while not beat.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    found.signal(signal.SIGTERM)
    assert found.wait(60)
    time.sleep(0.1)
    beat.unlink()
    time.sleep(0.3)
    assert not Path(beat).exists()
    found.signal(signal.SIGTERM)  # a run that has ended: nothing happens
