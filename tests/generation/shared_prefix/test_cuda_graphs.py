"""Recorded passes draw the samples of plain ones. CUDA's recorder is replaced by one that runs the pass again on the
tensors it was recorded with: what a graph would do."""

import logging

import pytest
import torch

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.generation import CatalogueProposer, sample, sampling
from calrec_recbole.generation.shared_prefix import key_values, shared_attention
from calrec_recbole.generation.shared_prefix.cuda_graphs import GraphedDecoder, bucket
from calrec_recbole.generation.weights import decoder_of

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6], [1, 2, 3, 4, 5, 6, 7]]
SETTINGS = {"n": 24, "temperature": 1.1, "max_new_tokens": 16, "seeds": [11, 12, 13, 14]}


def kernel(query, *asked, **options):
    """The tokens behind the last sequence get numbers that nobody may use."""
    out, log_sums = varlen_attention_in_loops(query, *asked, **options)
    left = len(query) - len(out)
    out = torch.cat((out, out.new_full((left, *out.shape[1:]), torch.nan)))
    return out, torch.nn.functional.pad(log_sums, (0, left), value=torch.nan)


class Recorder:
    def __init__(self):
        self.recorded = self.launched = 0

    def __call__(self, run, pool):
        self.recorded += 1
        output = run()

        def launch():
            self.launched += 1
            output.copy_(run())

        return launch, output


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(key_values, "packs", lambda states: True)
    monkeypatch.setattr(shared_attention, "varlen_attention", kernel)
    monkeypatch.setattr(sampling, "recorded_on_cuda", recorder)
    monkeypatch.setattr(sampling, "_records", lambda decoder: True)
    return recorder


def assert_same(samples, expected):
    for user, wanted in zip(samples, expected, strict=True):
        found = {one.token_ids: one for one in user}
        assert {ids: one.count for ids, one in found.items()} == {one.token_ids: one.count for one in wanted}
        for one in wanted:
            assert found[one.token_ids].logprob == pytest.approx(one.logprob, abs=1e-4)


@pytest.mark.parametrize("speculates", [False, True])
def test_recorded_passes_draw_the_same(decoder, recorder, speculates):
    plain = sample(decoder, PROMPTS, **SETTINGS)
    assert not recorder.recorded
    texts = list({one.token_ids: 0 for user in plain for one in user})
    proposer = CatalogueProposer(texts, 4, 0.3) if speculates else None
    work = []
    assert_same(sample(decoder, PROMPTS, graphs=True, proposer=proposer, work=work, **SETTINGS), plain)
    if decoder_of(decoder).window is None:
        assert 1 < recorder.recorded <= recorder.launched
        assert recorder.launched == max(one.passes for one in work) - 1  # all but that over the prompts
    else:  # 4 tokens: it ends inside the prompts
        assert not recorder.launched


def test_each_batch_has_graphs_of_its_own(llama, recorder):
    plain = sample(llama, PROMPTS, **SETTINGS)
    assert_same(sample(llama, PROMPTS, graphs=True, memory_bytes=1, **SETTINGS), plain)


def test_a_device_that_cannot_record_goes_on_without(llama, recorder, monkeypatch, caplog):
    def fails(run, pool):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    plain = sample(llama, PROMPTS, **SETTINGS)
    monkeypatch.setattr(sampling, "recorded_on_cuda", fails)
    with caplog.at_level(logging.WARNING):
        assert_same(sample(llama, PROMPTS, graphs=True, **SETTINGS), plain)
    assert [record.getMessage() for record in caplog.records] == [
        "a pass cannot be recorded as a CUDA graph (operation not permitted when stream is capturing): "
        "sampling goes on without"
    ]


def test_a_cpu_records_nothing(llama):
    plain = sample(llama, PROMPTS, **SETTINGS)
    assert_same(sample(llama, PROMPTS, graphs=True, **SETTINGS), plain)


@pytest.mark.parametrize("count", range(1, 70))
def test_buckets_waste_at_most_a_third(count):
    """5 of 6, 9 of 12, 17 of 24, 33 of 48 places are the emptiest; 2/3 in the limit."""
    size = bucket(count)
    assert count <= size < 1.5 * count + 1
    assert size == bucket(size)


def test_the_decoder_behind_is_seen(llama, recorder):
    graphed = GraphedDecoder(decoder_of(llama), recorder)
    assert (graphed.dtype, graphed.device.type, graphed.config.vocab_size) == (torch.float32, "cpu", 12)
