"""A run killed in its second epoch goes on to the numbers and weights of one that was never killed."""

import json
import signal
import subprocess
import sys
import time

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.runner import run

# shuffling, dropout, negative samples and masks: torch's, NumPy's and Python's random states all matter
MODELS = {
    "SASRec": {},
    "BERT4Rec": {"train_batch_size": 64},  # RecBole's loss of a batch without a mask is NaN
    "GRU4Rec": {"loss_type": "BPR", "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}},
}


@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_run_ends_bit_identical(model, tiny_settings, interrupted_run_goes_on):
    settings = {**tiny_settings, "epochs": 4, "train_batch_size": 4, **MODELS[model]}
    interrupted_run_goes_on(model, settings, epoch=2)


def test_sigkill_at_any_moment_is_resumed(tiny_settings, tmp_path):
    settings = {**tiny_settings, "epochs": 30, "stopping_step": 30}
    whole = run("SASRec", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False)
    arguments = [f"--{key}={json.dumps(value)}" for key, value in settings.items()]
    command = [sys.executable, "-m", "calrec_recbole.cli.run_recbole", "--model=SASRec", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "runs" / "Tiny" / "SASRec"
    while process.poll() is None and not list(folder.glob("*/checkpoint/last/random.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = run("SASRec", overrides=settings, show=False)
    assert list(folder.iterdir()) == [resumed.folder]
    assert resumed.test == whole.test


@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors", "random.json", "state.json"])
def test_a_damaged_state_is_refused_with_its_path(file, tiny_settings, killed_run, tmp_path):
    settings = {**tiny_settings, "epochs": 3}
    killed_run("SASRec", settings, epoch=1)
    (last,) = (tmp_path / "runs" / "Tiny" / "SASRec").glob("*/checkpoint/last")
    damaged = last / file
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"checkpoint/last.* remove it to start anew") as caught:
        run("SASRec", overrides=settings, show=False)
    assert "\n" not in str(caught.value)
