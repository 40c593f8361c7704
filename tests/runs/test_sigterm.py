"""SIGTERM: CALRec finishes its step and writes its state, RecBole's models leave at once; the same command goes on."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from calrec_recbole.plugin.calrec.trainer import CALRecTrainer
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.sigterm import EXIT, Terminated, sigterm_raises, sigterm_waits
from calrec_recbole.training import Training


def send():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("state", "advice"), [(True, "goes on from"), (False, "starts it again")])
def test_it_ends_the_block_with_143_and_advice(state, advice, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    folder = tmp_path if state else tmp_path / "none"
    line = f"the run is unfinished; the same command {advice}"
    with pytest.raises(Terminated, match=line) as caught, sigterm_raises(folder):
        send()
    assert caught.value.code == EXIT == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_waits_for_the_end_of_an_inner_block(tmp_path):
    seen = []

    def step():
        with sigterm_waits() as came:
            seen.append(came())
            send()
            send()  # impatience changes nothing
            seen.append(came())

    with pytest.raises(Terminated), sigterm_raises(tmp_path):
        step()
    assert seen == [False, True]


def drop_in_c():
    """A SIGTERM within a callback of C code, which drops the exception that is raised there."""
    ctypes.CFUNCTYPE(None)(send)()


def test_one_that_c_code_dropped_ends_a_following_step(tmp_path, capfd):
    reached = []

    def work():
        drop_in_c()
        with sigterm_waits() as came:
            reached.append(came())
        reached.append("after the block")

    with pytest.raises(Terminated), sigterm_raises(tmp_path):
        work()
    assert reached == [True]
    assert capfd.readouterr().err == ""


def test_one_that_c_code_dropped_comes_again_where_nothing_waits(tmp_path, capfd):
    def work():
        drop_in_c()
        time.sleep(60)

    with pytest.raises(Terminated), sigterm_raises(tmp_path):
        work()
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_exceptions_that_c_code_drops_are_told_as_ever(tmp_path, monkeypatch):
    told, callback = [], ctypes.CFUNCTYPE(None)(lambda: 1 / 0)
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with sigterm_raises(tmp_path):
        callback()
    assert [type(one.exc_value) for one in told] == [ZeroDivisionError]
    assert sys.unraisablehook == told.append


def test_without_a_run_or_outside_the_main_thread_nothing_changes(tmp_path):
    before, seen = signal.getsignal(signal.SIGTERM), []
    with sigterm_waits() as came:
        seen += [came(), signal.getsignal(signal.SIGTERM) is before]

    def in_thread():
        with sigterm_raises(tmp_path), sigterm_waits() as came:
            seen.extend([came(), signal.getsignal(signal.SIGTERM) is before])

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert seen == [False, True, False, True]


def test_ctrl_c_stays_as_it_is(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt), sigterm_raises(tmp_path), sigterm_waits():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def ended_run(monkeypatch, calrec_settings):
    """CALRec's run to which SIGTERM comes before the method ``name`` of ``owner`` is called with the present step."""

    def start(owner, name, step):
        original = getattr(owner, name)

        def terminated(self, *arguments):
            training = self if isinstance(self, Training) else arguments[1].training
            if training.step == step:
                send()
            return original(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, terminated)
            with pytest.raises(Terminated, match=r"goes on from .*checkpoint/last"):
                run("CALRec", overrides=calrec_settings, show=False)

    return start


@pytest.mark.parametrize(
    ("owner", "name", "step", "left"),
    [
        (Training, "_one_step", 3, 4),  # 0-based step 3 is finished
        (Training, "_one_step", 2, 3),  # the last one before a validation: that comes first when the run goes on
        (CALRecTrainer, "_validate", 3, 3),  # left at once; the state was written before
    ],
)
def test_calrec_leaves_its_state_and_goes_on_to_the_same_bits(
    owner, name, step, left, ended_run, calrec_settings, tmp_path
):
    whole = run("CALRec", overrides={**calrec_settings, "output_dir": str(tmp_path / "whole")}, show=False)
    ended_run(owner, name, step)
    resumed = run("CALRec", overrides=calrec_settings, show=False)
    log = (resumed.folder / "log.txt").read_text()
    assert "ended by SIGTERM" in log.partition(f"resumed at step {left} from")[0]
    assert f"resumed at step {left} from" in log
    assert (resumed.test, resumed.valid) == (whole.test, whole.valid)
    files = [one.folder / "checkpoint" / "best" / "model.safetensors" for one in (whole, resumed)]
    assert files[0].read_bytes() == files[1].read_bytes()


SASREC = {"epochs": 10**6, "hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "stopping_step": 10**6}


@pytest.mark.parametrize(("model", "file"), [("CALRec", "progress.json"), ("SASRec", "random.json")])
def test_the_command_exits_with_143_and_one_line(model, file, calrec_settings, tiny_settings, tmp_path):
    endless = {
        **calrec_settings,
        "train_steps": 10**6,
        "stopping_step": 0,
        "retrieval": "lucene",
    }  # Java has signals too
    given = endless if model == "CALRec" else {**tiny_settings, **SASREC}
    arguments = [f"--{key}={json.dumps(value)}" for key, value in {**given, "state": "ERROR"}.items()]
    command = [sys.executable, "-m", "calrec_recbole.cli.run_recbole", f"--model={model}", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(f"runs/Tiny/{model}/*/checkpoint/last/{file}")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143
    (folder,) = (tmp_path / "runs" / "Tiny" / model).iterdir()
    last = errors.rstrip().splitlines()[-1]
    assert last == f"terminated: the run is unfinished; the same command goes on from {folder}/checkpoint/last"
    assert "Traceback" not in errors
    assert not (folder / "metrics.json").exists()
    assert not list(folder.glob("checkpoint/.*.tmp"))
