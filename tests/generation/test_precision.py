"""Log-probabilities that fusion takes are those of the model's own precision, whatever drew the samples."""

import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.generation import Sample, decode_dtype, sample, score_again

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6]]
STEPS = 5


def best_two(samples):
    return sorted(range(len(samples)), key=lambda place: -samples[place].logprob)[:2]


def plain(plain_logprob, model, prompt, ids):
    return plain_logprob(model, prompt, [*ids, 0] if len(ids) < STEPS else ids)


def test_the_best_are_scored_by_the_model_itself(decoder, plain_logprob):
    drawn = sample(decoder, PROMPTS, n=20, temperature=1.0, max_new_tokens=STEPS, seeds=[1, 2, 3], dtype=torch.bfloat16)
    found = score_again(decoder, PROMPTS, drawn, best_two, STEPS)
    for prompt, own, rough in zip(PROMPTS, found, drawn, strict=True):
        assert own == sorted(own, key=lambda one: (-one.logprob, one.token_ids))
        assert {(one.token_ids, one.count) for one in own} == {(one.token_ids, one.count) for one in rough}
        for place in best_two(own):
            one = own[place]
            assert one.logprob == pytest.approx(plain(plain_logprob, decoder, prompt, one.token_ids), abs=1e-4)


def test_texts_that_the_new_numbers_bring_up_are_scored_too(llama, plain_logprob):
    """All but one text seem far better than they are: each is found out in turn, down to the one told right."""
    texts = [(1,), (2, 3), (4,), (5, 6, 7, 8, 9)]
    exact = {ids: plain(plain_logprob, llama, PROMPTS[0], ids) for ids in texts}
    told = [Sample(ids, 1, 10.0 + place) for place, ids in enumerate(texts)]
    (found,) = score_again(llama, PROMPTS[:1], [told], best_two, STEPS)
    right = sorted(exact.values(), reverse=True)
    assert [one.logprob for one in found[:2]] == pytest.approx(right[:2], abs=1e-4)
    assert found[0].logprob == pytest.approx(exact[found[0].token_ids], abs=1e-4)


def test_what_is_not_taken_keeps_its_number(llama):
    told = [Sample((1,), 1, -1.0), Sample((2,), 1, -2.0), Sample((3,), 1, -1000.0)]
    (found,) = score_again(llama, PROMPTS[:1], [told], best_two, STEPS)
    assert found[-1] == told[-1]
    assert {one.logprob for one in found[:2]}.isdisjoint({-1.0, -2.0})


def test_prompts_without_samples(llama):
    assert score_again(llama, [], [], best_two, STEPS) == []


@pytest.fixture
def cuda(llama, monkeypatch):
    def cuda(bfloat16):
        monkeypatch.setattr(type(llama), "device", torch.device("cuda"))
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: bfloat16)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Tesla")
        return llama

    return cuda


def test_a_cpu_draws_in_the_models_own_precision_unless_asked(llama):
    assert [decode_dtype(one, llama) for one in ("auto", "float32", "bfloat16")] == [
        torch.float32, torch.float32, torch.bfloat16,
    ]  # fmt: skip
    assert decode_dtype("auto", llama.half()) == torch.float16


def test_cuda_draws_in_bfloat16_where_it_has_it(cuda):
    assert decode_dtype("auto", cuda(True)) == torch.bfloat16
    assert decode_dtype("float32", cuda(True)) == torch.float32
    assert decode_dtype("auto", cuda(False)) == torch.float32
    with pytest.raises(ConfigError, match="decode_precision=bfloat16: Tesla lacks it; set decode_precision: float32"):
        decode_dtype("bfloat16", cuda(False))
