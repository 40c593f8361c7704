"""The limits of benchmarks/count_calls.py, on short items in shorter rows: as many groups and calls, in less time."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from calrec_recbole.backbone import train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "count_calls.py"
WORDS, ROW = 4, 22_000  # an item's words, a row's tokens: 512 users are three groups, as those of Scientific are


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("count_calls", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["count_calls"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("users", "dense", "limit"), [(48, True, 9000), pytest.param(512, False, 40000, marks=pytest.mark.slow)]
)
def test_a_step_takes_few_calls_and_waits_once(benchmark, users, dense, limit):
    """In bfloat16, which takes more of them than float32."""
    data = benchmark.random_data(users, WORDS)
    found = benchmark.count_deep(*data, users, dense, precision="bfloat16", tokens=ROW)
    assert found.calls <= limit
    assert found.calls > 30 * 50  # forward and backward of thirty layers: the counter counts
    assert found.waits == {"tolist": 1}
    assert found.report.padding == 0
    assert found.report.tokens > (2 * ROW if users == 512 else 0)


def test_what_is_counted_computes_the_losses_of_the_padded_way(benchmark):
    texts, sequences = benchmark.random_data(60, 4)
    tokenizer = train_tokenizer(texts, 2000, merge_across_words=False)
    items = tokenise_items(texts, tokenizer)
    counted = benchmark.count_step(benchmark.narrow_decoder(tokenizer, 2), items, sequences, 48, False, tokens=1000)
    settings = TrainingSettings(train_steps=9, train_batch_size=48, precision="float32", packing=False)
    backbone, reports = benchmark.narrow_decoder(tokenizer, 2), []
    Training(backbone, items, sequences, settings, 1, torch.device("cpu")).run(2, reports.append)
    for name in ("total", "nig", "tt", "ut", "gradient_norm"):
        assert getattr(counted.report, name) == pytest.approx(getattr(reports[-1], name), rel=1e-5), name
