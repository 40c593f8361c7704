"""What a job does on its node."""

import pickle
import sys
import threading
import time

import pytest

from calrec_recbole.comparison.lease import Lease
from calrec_recbole.comparison.slurm_job import RunJob


@pytest.fixture
def job(tmp_path):
    def made(code):
        return RunJob([sys.executable, "-c", code], tmp_path / "out.txt", tmp_path / "run", tmp_path / "x.lease")

    return made


def test_it_gives_the_exit_code_and_threads_as_it_has_cpus(job, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS']); sys.exit(4)"
    assert pickle.loads(pickle.dumps(job(code)))() == 4
    assert (tmp_path / "out.txt").read_text() == "3\n"


def test_a_run_that_is_whole_is_not_begun(job, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text('{"valid": {}, "test": {}}')
    assert job("raise SystemExit(1)")() == 0
    assert not (tmp_path / "out.txt").exists()


def test_it_waits_for_whoever_is_at_the_run(job, tmp_path):
    other = Lease(tmp_path / "x.lease")
    assert other.take()
    codes = []
    thread = threading.Thread(target=lambda: codes.append(job("print(1)")()))
    thread.start()
    time.sleep(0.5)
    assert not (tmp_path / "out.txt").exists()
    other.give_back()
    thread.join(60)
    assert codes == [0]


def test_a_kill_is_told_in_the_output(job, tmp_path):
    assert job("import os; os.kill(os.getpid(), 9)")() == -9
    assert "\nerror: killed by SIGKILL (out of memory?); see " in (tmp_path / "out.txt").read_text()


def test_before_it_is_queued_again_it_ends_its_run_in_order(job, tmp_path):
    code = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'kept')!r}).touch(), sys.exit(143)))\n"
        "print('on', flush=True); time.sleep(300)"
    )
    running = job(code)
    thread = threading.Thread(target=running)
    thread.start()
    while not (tmp_path / "out.txt").is_file() or not (tmp_path / "out.txt").read_text():
        time.sleep(0.05)
    again = running.checkpoint().function
    thread.join(60)
    assert (tmp_path / "kept").exists()
    assert (again.command, again.output, again.folder, again.lease) == (
        running.command, running.output, running.folder, running.lease
    )  # fmt: skip
    assert again.process is None
