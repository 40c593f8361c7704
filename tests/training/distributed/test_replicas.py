"""Two processes, each with the whole backbone (ddp) or a part of it (fsdp), have the losses and weights of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_processes.py")


CASES = {
    "sum": {},
    "padded": {"packing": False, "train_steps": 10},
    "warm-up, mean": {"warmup_steps": 10, "nig_reduction": "mean", "train_steps": 20},
    "muon": {"learner": "muon", "train_steps": 10},  # it rounds to bfloat16: longer runs part by more
    "lora": {"rank": 2, "train_steps": 10, "gradient_checkpointing": True},
    "fsdp": {"parallel": "fsdp", "train_steps": 20},
    "fsdp, padded": {"parallel": "fsdp", "packing": False, "train_steps": 10},
    "fsdp, lora": {"parallel": "fsdp", "rank": 2, "train_steps": 10, "gradient_checkpointing": True},
}


RESUMED = {
    f"resumed {way}": {"parallel": way, "dropout": 0.3, "train_steps": 10, "nig_reduction": "mean"}
    for way in ("ddp", "fsdp")
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The folder with the weights, and by process and case the losses of all steps."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "cases.json").write_text(json.dumps(CASES | RESUMED))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(SCRIPT), str(folder)], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, [json.loads((folder / f"answers.{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_of_one(answers, case):
    _, (first, second) = answers
    alone = np.array(first[case]["alone"])
    assert len(alone) == CASES[case].get("train_steps", 50)
    assert np.ptp(alone[:, 0]) > 0.1  # nats: the weights move
    np.testing.assert_allclose(first[case]["joint"], alone, rtol=0, atol=1e-4)  # NaN where not computed
    assert json.dumps(first[case]["joint"]) == json.dumps(second[case]["joint"])


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(answers, case):
    folder, _ = answers
    alone, *joint = (load_file(folder / f"{case}.{who}.safetensors") for who in ("alone", 0, 1))
    for weights in joint:
        assert all(torch.equal(weights[name], joint[0][name]) for name in alone)
        for name, value in alone.items():
            torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-3)


@pytest.mark.parametrize("way", RESUMED)
def test_two_processes_resume_to_the_same_losses(answers, way):
    """With dropout, which every process draws anew for its own rows."""
    _, (first, second) = answers
    assert len(first[way]["joint"]) == 10
    assert first[way]["resumed"] == first[way]["joint"] == second[way]["resumed"]
