"""The GPU benchmark as far as a CPU can follow it."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_scientific.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("gpu_scientific", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_cuda_it_says_so_in_one_line(benchmark, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main(["--data_path=dataset", f"--out={tmp_path / 'out'}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: gpu_scientific needs a CUDA device and none is visible; --dry_run tries its steps"
    ]
    assert not (tmp_path / "out").exists()


def test_a_dry_run_leaves_every_metric_and_the_time(benchmark, tiny_dataset, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--dry_run", "--dataset=Tiny", f"--data_path={tiny_dataset}", f"--out={out}", "--state=WARNING"]
    assert benchmark.main([*arguments, "--topk=[1,10]", "--show_progress=false"]) == 0
    found = json.loads((out / "gpu_scientific.json").read_text())
    ran = json.loads((Path(found["folder"]) / "metrics.json").read_text())
    assert {name: row["ours"] for name, row in found["metrics"].items()} == ran["test"]
    assert found["users"]["test"] == 8
    assert found["what"] == "dry run: the numbers mean nothing"
    assert (out / "gpu_scientific.md").read_text().startswith(found["what"])
    assert "ratio seconds/600 0.0" in capsys.readouterr().out


def test_the_papers_row_stands_beside_every_metric_of_scientific(benchmark):
    test = {
        f"{name}_{side}{k}": 0.5
        for name, k in (("ndcg", "@10"), ("mrr", ""), ("ndcg", "@1"))
        for side in ("opt", "pes")
    }
    ran = {
        "seconds": {name: {"wall": wall} for name, wall in (("data", 50.0), ("train", 400.0), ("evaluate", 150.0))},
        "seconds_before_resume": 49.0,
        "devices": {"name": "H100"},
        "users": {"valid": 500, "test": 9471},
        "versions": {},
        "peak_memory_mib": {},
    }
    found = benchmark.record(test, ran, "Scientific", dry_run=False)
    assert found["metrics"]["ndcg_pes@10"] == {"ours": 0.5, "paper": 0.0740}
    assert found["metrics"]["mrr_opt"] == {"ours": 0.5, "paper": 0.0730}
    assert found["metrics"]["ndcg_opt@1"]["paper"] is None
    assert (found["seconds"], found["within_limit"]) == (599.0, True)
    text = benchmark.markdown(found)
    assert "| ndcg@10 | 0.5000 / 0.5000 | 0.0788 / 0.0740 |" in text
    assert "599 s of wall clock, within 10 min" in text
