"""The calls of a pass as CUDA makes them stay few, and the counter counts what it says."""

import importlib.util
from pathlib import Path

import pytest
import torch

from calrec_recbole.generation import CatalogueProposer

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "sampling_calls.py"
LAYERS = 6


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("sampling_calls", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_calls_and_questions_are_counted(benchmark):
    """Two additions and a product; a number asked for, a list, a mask as an index."""
    calls, values = benchmark.Calls(), torch.ones(3)
    with benchmark.as_on_cuda(calls), calls:
        (values + values + values) * 2
        float(values[0])
        values.tolist()
        values[values > 0]
    assert (calls.calls["add"], calls.calls["mul"]) == (2, 1)
    assert calls.questions == 3


@pytest.mark.parametrize("speculates", [False, True])
def test_a_pass_is_few_calls_and_one_question(benchmark, speculates):
    """At most 1,200 for the 30 layers of SmolLM2, told from models of few layers."""
    proposer = CatalogueProposer(benchmark.prompts_of(50)) if speculates else None
    prompts = benchmark.prompts_of(3)
    few, many = (benchmark.calls_of(benchmark.model_of(layers), prompts, proposer) for layers in (LAYERS, 2 * LAYERS))
    a_layer = (many.calls - few.calls) / LAYERS
    beside = few.calls - LAYERS * a_layer
    assert a_layer > 10
    assert 30 * a_layer + beside <= 1200
    assert few.questions == many.questions == 1
    assert few.each[benchmark.KERNEL] == 2 * LAYERS  # over the prompts, and over the suffixes
