"""What a run ran on and what it cost."""

import time

import torch

from calrec_recbole.runs.environment import Cost, environment, peak_memory

CPU = torch.device("cpu")


def test_seconds_of_a_phase_add_up_also_after_an_error():
    cost = Cost()
    for _ in range(2):
        with cost.phase("train"):
            time.sleep(0.05)
    try:
        with cost.phase("data"):
            raise KeyError
    except KeyError:
        assert set(cost.seconds) == {"train", "data"}
    assert 0.1 <= cost.seconds["train"]["wall"] < 5
    assert cost.seconds["train"]["cpu"] <= cost.seconds["train"]["wall"] + 1


def test_versions_device_seed_and_data_are_there():
    found = environment(7, CPU, {"inter": "0a"}, Cost())
    assert found["seed"] == 7
    assert found["data_sha256"] == {"inter": "0a"}
    assert found["devices"]["device"] == "cpu"
    assert found["versions"]["torch"] == torch.__version__
    assert "vllm" not in found["versions"]  # not installed


def test_peak_memory_is_in_mib_and_grows_with_what_is_held():
    before = peak_memory(CPU)["process"]
    held = bytearray(64 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    assert peak_memory(CPU)["process"] >= before
    assert 50 < before < 1 << 20
