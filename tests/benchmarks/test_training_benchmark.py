"""What the benchmark of a training step counts, and that its plain way is Eq. 4."""

import importlib.util
from pathlib import Path

import pytest
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "training.py"
TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("training_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def training(**changes):
    sizes = ScratchSizes(300, 16, 2, 2, 32, 0.0)
    tokenizer = train_tokenizer(TEXTS, sizes.vocab_size, merge_across_words=True)
    model = scratch_model(sizes, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(**{"train_steps": 9, "train_batch_size": 8, "precision": "float32", **changes})
    backbone, items = Backbone(model, tokenizer), tokenise_items(TEXTS, tokenizer, 200)
    return Training(backbone, items, SEQUENCES, settings, seed=5, device=torch.device("cpu"))


@pytest.mark.parametrize("way", ["packed", "padded"])
def test_all_ways_compute_the_same_loss_and_gradient(benchmark, way):
    run = training(alpha=0.7, beta=0.2)
    loss = benchmark.plain(run)
    expected = [parameter.grad.clone() for parameter in run.backbone.model.parameters()]
    run.backbone.model.zero_grad()
    assert benchmark.WAYS[way](run) == pytest.approx(loss, rel=1e-5)
    assert run.packed == (way == "packed")
    for parameter, gradient in zip(run.backbone.model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-5)


def test_memory_counts_distinct_storages_until_the_backward_pass_frees_them(benchmark):
    weight = torch.nn.Linear(10, 10, bias=False)
    held = benchmark.HeldForBackward(weight)
    with held:
        x = torch.ones(3, 10, requires_grad=True)
        out = weight(x).exp()  # holds x, the weight (not counted) and the result: 2 x 3 x 10 floats
        squared = out * out  # holds the result again
        assert held.now == held.peak == 2 * 3 * 10 * 4
        squared.sum().backward()
    assert (held.now, held.peak) == (0, 2 * 3 * 10 * 4)
