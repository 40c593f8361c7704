"""What CUDA runs, with the variable-length kernel replaced by its loops: the samples of the padded way."""

import pytest
import torch

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.generation import CatalogueProposer, Trie, best_texts, sample, text_logprobs, weights
from calrec_recbole.generation.probe import check_backbone
from calrec_recbole.generation.shared_prefix import key_values, shared_attention
from calrec_recbole.generation.shared_prefix import lean_decoder as lean

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6], [1, 2, 3, 4, 5, 6, 7]]
SETTINGS = {"n": 24, "temperature": 1.1, "max_new_tokens": 16, "seeds": [11, 12, 13, 14]}


@pytest.fixture
def as_on_cuda(monkeypatch):
    """From when it is called on. The calls of the kernel are noted."""

    def as_on_cuda():
        calls = []

        def in_loops(*asked, **options):
            calls.append(options["causal"])
            return varlen_attention_in_loops(*asked, **options)

        for module in (lean, weights):
            monkeypatch.setattr(module, "joins", lambda device: True)
        monkeypatch.setattr(key_values, "packs", lambda states: True)
        monkeypatch.setattr(shared_attention, "varlen_attention", in_loops)
        return calls

    return as_on_cuda


def assert_same(samples, expected):
    for user, wanted in zip(samples, expected, strict=True):
        found = {one.token_ids: one for one in user}
        assert {ids: one.count for ids, one in found.items()} == {one.token_ids: one.count for one in wanted}
        for one in wanted:
            assert found[one.token_ids].logprob == pytest.approx(one.logprob, abs=1e-4)


def test_samples_of_the_padded_way(decoder, as_on_cuda):
    plain = sample(decoder, PROMPTS, **SETTINGS)
    calls = as_on_cuda()
    assert_same(sample(decoder, PROMPTS, **SETTINGS), plain)
    assert_same(sample(decoder, PROMPTS, memory_bytes=1, **SETTINGS), plain)
    assert calls


def test_samples_with_proposals(decoder, as_on_cuda):
    """Gemma's window of 4 tokens ends inside prompts, suffixes and chains."""
    plain = sample(decoder, PROMPTS, **SETTINGS)
    proposer = CatalogueProposer(list({one.token_ids: 0 for user in plain for one in user}), 4, 0.3)
    calls = as_on_cuda()
    assert_same(sample(decoder, PROMPTS, proposer=proposer, **SETTINGS), plain)
    assert calls


def test_beams_and_given_texts(decoder, as_on_cuda):
    trie = Trie.of([[3, 1], [3, 4, 5], [3, 4], [6], [7, 8, 9]])
    texts = [[[1, 2, 3], [1, 2]], [[9, 8, 7]], [[]], [[5], [6, 6]]]
    beams, nats = best_texts(decoder, PROMPTS, trie, 3, 4), text_logprobs(decoder, PROMPTS, texts)
    as_on_cuda()
    for found, wanted in zip(best_texts(decoder, PROMPTS, trie, 3, 4), beams, strict=True):
        assert found.texts.tolist() == wanted.texts.tolist()
    for found, wanted in zip(text_logprobs(decoder, PROMPTS, texts), nats, strict=True):
        assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_probe_holds_it_against_plain_passes(decoder, as_on_cuda, dtype):
    calls = as_on_cuda()
    check_backbone(decoder.to(dtype))
    assert calls
