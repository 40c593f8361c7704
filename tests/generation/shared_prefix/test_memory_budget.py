"""What sampling takes of the memory is what was reckoned: against torch's allocations, as its profiler counts them."""

import logging
from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from calrec_recbole.errors import ConfigError
from calrec_recbole.generation import sample, sampling, text_logprobs
from calrec_recbole.generation.shared_prefix.memory_budget import Budget, in_halves
from calrec_recbole.generation.weights import decoder_of

SHAPES = {  # which part is the largest: keys and values, logits, or activations
    "deep": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 12, "vocab_size": 300},
    "wide vocabulary": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 20000},
    "wide inside": {"hidden_size": 64, "intermediate_size": 1024, "num_hidden_layers": 2, "vocab_size": 300},
}


@pytest.fixture(params=sorted(SHAPES))
def model(request):
    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}
    return LlamaForCausalLM(LlamaConfig(**SHAPES[request.param], **heads, initializer_range=0.4, eos_token_id=0))


def peak(call):
    """The most bytes that ``call`` held at once."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=kinds, profile_memory=True) as profile:
        call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    most = live = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


def prompts_of(lengths):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 300, (length,), generator=generator) for length in lengths]


class Chains:
    """Always as long as they may be."""

    longest = 8

    def chains(self, texts, lengths):
        return torch.ones(len(texts), self.longest, dtype=torch.int64)


def room_for(users, length, budget):
    """The room with which ``users`` prompts fill it: what they take depends a little on it."""
    for _ in range(30):
        budget = replace(budget, room=budget.of(users, length))
    return budget.room


@pytest.mark.parametrize("speculates", [False, True])
@pytest.mark.parametrize("length", [20, 400])
def test_sampling_stays_below_the_limit_and_comes_near_it(model, length, speculates):
    """Random weights at a high temperature: every sample is a row of its own, the worst case."""
    prompts, steps = prompts_of([length] * 24), 16
    proposer = Chains() if speculates else None
    asked = {"n": 16, "temperature": 3.0, "max_new_tokens": steps, "seeds": range(24), "proposer": proposer}
    sample(model, prompts[:1], **{**asked, "seeds": [0]})  # the probe and the copy of the weights
    limit = room_for(8, length, Budget(decoder_of(model), 0, 16, steps, 9 if speculates else 1))
    found = peak(lambda: sample(model, prompts, memory_bytes=limit, **asked))
    assert limit / 2 <= found <= limit


def test_scoring_whole_texts_stays_below_the_limit(model):
    prompts, texts = prompts_of([100] * 12), [[[3] * 30, [4] * 20, [5, 6]]] * 12
    text_logprobs(model, prompts[:1], texts[:1])
    limit = room_for(4, 100, Budget(decoder_of(model), 0, 3, 31, whole=True))
    found = peak(lambda: text_logprobs(model, prompts, texts, memory_bytes=limit, at_once=True))
    assert limit / 2 <= found <= limit


def test_batches_are_sorted_by_length_and_bounded(llama):
    budget = Budget(decoder_of(llama), 1 << 30, 1, 1)
    lengths = [9, 2, 5, 2, 30]
    assert list(budget.batches(lengths)) == [[1, 3, 2, 0, 4]]
    assert list(Budget(decoder_of(llama), 1, 1, 1).batches(lengths)) == [[1], [3], [2], [0], [4]]
    two = Budget(decoder_of(llama), 1, 1, 1).of(2, 5)
    assert next(Budget(decoder_of(llama), two, 1, 1).batches(lengths)) == [1, 3]


def test_keys_and_values_of_a_prompt_by_hand(llama):
    """2 layers x 2 key heads x 8 floats x (key, value) x 4 bytes = 256 a token."""
    budget = Budget(decoder_of(llama), 1, 1, 1)
    assert budget.of(3, 101) - budget.of(2, 101) >= 101 * 256
    assert budget._sizes.keys_and_values == 256


def out_of_memory_beyond(users, tried):
    def run(batch):
        tried.append(len(batch))
        if len(batch) > users:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. And so on")

    return run


def test_out_of_memory_halves_the_batch_and_goes_on_with_small_ones(caplog):
    tried, done = [], []
    run = out_of_memory_beyond(3, tried)

    def noted(batch):
        run(batch)
        done.extend(batch)

    with caplog.at_level(logging.WARNING):
        in_halves([[*range(10)], [*range(10, 19)]], noted)
    assert done == [*range(19)]
    assert tried == [10, 5, 2, 2, 1, 2, 2, 1, 2, 2, 2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with 10 prompts at once: sampling goes on with half of them"
    ]


def test_one_prompt_that_does_not_fit_is_told_in_one_line():
    with pytest.raises(ConfigError, match=r"one prompt does not fit in memory \(CUDA out of memory\): lower n_gen"):
        in_halves([[0, 1]], out_of_memory_beyond(0, []))


def test_samples_after_running_out_of_memory_are_those_of_a_machine_with_more(llama, monkeypatch):
    asked = {"n": 8, "max_new_tokens": 6, "seeds": [1, 2, 3]}
    prompts = [[1, 2, 3], [4], [5, 6]]
    expected, drawn = sample(llama, prompts, **asked), sampling._drawn

    def short_of_memory(budget, batch, *more):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return drawn(budget, batch, *more)

    monkeypatch.setattr(sampling, "_drawn", short_of_memory)
    for found, wanted in zip(sample(llama, prompts, **asked), expected, strict=True):
        assert {(one.token_ids, one.count) for one in found} == {(one.token_ids, one.count) for one in wanted}
