"""`sample` against plain forward passes: log-probabilities, counts, batching, seeds, and the work that it does."""

import pytest
import torch

from calrec_recbole.attention import merged_attention as attention
from calrec_recbole.errors import ConfigError
from calrec_recbole.generation import Sample, sample

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6], [1, 2, 3, 4, 5, 6, 7]]
STEPS = 9


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tokens_and_counts(samples):
    return [{(entry.token_ids, entry.count) for entry in of_prompt} for of_prompt in samples]


def test_logprobs_equal_a_plain_forward_pass(decoder, plain_logprob):
    samples = sample(decoder, PROMPTS, n=32, temperature=0.9, max_new_tokens=STEPS, generator=seeded())
    assert max(len(of_prompt) for of_prompt in samples) > 8
    for prompt, of_prompt in zip(PROMPTS, samples, strict=True):
        for entry in of_prompt:
            end = [0] if len(entry.token_ids) < STEPS else []
            assert entry.logprob == pytest.approx(plain_logprob(decoder, prompt, [*entry.token_ids, *end]), abs=1e-4)


def test_logprobs_hold_where_tree_and_window_outgrow_the_prompt(build, plain_logprob):
    model = build("gemma3")  # its window of 4 leaves the prompt of one token after four steps
    (samples,) = sample(model, [[5]], n=16, temperature=3.0, max_new_tokens=30, generator=seeded())
    assert max(len(entry.token_ids) for entry in samples) > 8
    for entry in samples:
        end = [0] if len(entry.token_ids) < 30 else []
        assert entry.logprob == pytest.approx(plain_logprob(model, [5], [*entry.token_ids, *end]), abs=1e-4)


def test_counts_sum_to_n_and_order_is_by_logprob_then_tokens(llama):
    for of_prompt in sample(llama, PROMPTS, n=50, max_new_tokens=STEPS, generator=seeded()):
        assert sum(entry.count for entry in of_prompt) == 50
        assert len({entry.token_ids for entry in of_prompt}) == len(of_prompt)
        assert of_prompt == sorted(of_prompt, key=lambda entry: (-entry.logprob, entry.token_ids))


def test_prompts_may_be_tensors_and_the_same_prompt_twice_is_drawn_twice(llama):
    first, second = sample(
        llama, [torch.tensor([1, 2]), [1, 2]], temperature=1.0, max_new_tokens=STEPS, generator=seeded()
    )
    assert isinstance(first[0], Sample)
    assert first != second


def test_each_batch_of_prompts_is_told_once_it_is_done(llama):
    together, alone = [], []
    sample(llama, PROMPTS, n=4, max_new_tokens=STEPS, generator=seeded(), tell=together.append)
    sample(llama, PROMPTS, n=4, max_new_tokens=STEPS, generator=seeded(), memory_bytes=1, tell=alone.append)
    assert together == [4]
    assert alone == [1, 1, 1, 1]


def test_no_prompts_no_samples(llama):
    assert sample(llama, []) == []


def test_batching_does_not_change_the_samples(decoder):
    together = sample(decoder, PROMPTS, n=16, max_new_tokens=STEPS, generator=seeded(3))
    alone = sample(decoder, PROMPTS, n=16, max_new_tokens=STEPS, generator=seeded(3), memory_bytes=1)
    assert tokens_and_counts(together) == tokens_and_counts(alone)


def test_same_seed_same_samples_and_default_generator(llama):
    assert sample(llama, PROMPTS, max_new_tokens=STEPS, generator=seeded(5)) == sample(
        llama, PROMPTS, max_new_tokens=STEPS, generator=seeded(5)
    )
    torch.manual_seed(7)
    first = sample(llama, PROMPTS, max_new_tokens=STEPS)
    assert sample(llama, PROMPTS, max_new_tokens=STEPS) != first
    torch.manual_seed(7)
    assert sample(llama, PROMPTS, max_new_tokens=STEPS) == first


def test_seeds_tie_the_samples_to_the_prompt_alone(llama):
    forth = sample(llama, PROMPTS, max_new_tokens=STEPS, seeds=[11, 12, 13, 14])
    back = sample(llama, PROMPTS[::-1], max_new_tokens=STEPS, seeds=[14, 13, 12, 11])
    assert tokens_and_counts(forth) == tokens_and_counts(back[::-1])
    with pytest.raises(ConfigError, match="seeds has 1 numbers for 4 prompts"):
        sample(llama, PROMPTS, seeds=[1])


def test_max_new_tokens_cuts_and_more_of_them_only_extend(llama):
    short = sample(llama, PROMPTS, temperature=1.0, max_new_tokens=3, generator=seeded())
    long = sample(llama, PROMPTS, temperature=1.0, max_new_tokens=6, generator=seeded())
    assert max(len(entry.token_ids) for of_prompt in short for entry in of_prompt) == 3
    for of_short, of_long in zip(short, long, strict=True):
        cut = sorted(entry.token_ids[:3] for entry in of_long for _ in range(entry.count))
        assert cut == sorted(entry.token_ids for entry in of_short for _ in range(entry.count))


def test_one_row_a_distinct_prefix_and_one_reading_of_each_prompt(llama, passes):
    sample(llama, PROMPTS[:1], max_new_tokens=1)  # the probe of the first call
    rows = passes(llama)
    samples = sample(llama, PROMPTS, temperature=0.9, max_new_tokens=STEPS, generator=seeded())
    prefixes = [
        {
            entry.token_ids[:length]
            for entry in of_prompt
            for length in range(1, min(len(entry.token_ids), STEPS - 1) + 1)
        }
        for of_prompt in samples
    ]
    assert rows[0] == sum(len(prompt) for prompt in PROMPTS)
    assert sum(rows[1:]) == sum(len(of_prompt) for of_prompt in prefixes)


def test_several_end_tokens_are_one_event(llama, plain_logprob):
    llama.generation_config.eos_token_id = [0, 3]
    (samples,) = sample(llama, [[1, 2]], temperature=1.0, max_new_tokens=4, generator=seeded())
    ended = [entry for entry in samples if len(entry.token_ids) < 4]
    assert len({entry.token_ids for entry in samples}) == len(samples)
    assert ended
    for entry in ended:
        both = torch.tensor([plain_logprob(llama, [1, 2], [*entry.token_ids, end]) for end in (0, 3)])
        assert entry.logprob == pytest.approx(float(both.logsumexp(0)), abs=1e-4)


def test_plain_operations_sample_the_same(decoder, monkeypatch):
    fused = sample(decoder, PROMPTS, max_new_tokens=STEPS, generator=seeded())
    monkeypatch.setattr(attention, "FUSED", None)
    assert tokens_and_counts(sample(decoder, PROMPTS, max_new_tokens=STEPS, generator=seeded())) == tokens_and_counts(
        fused
    )


def test_half_precision(build, plain_logprob):
    model = build("llama").bfloat16()
    (samples,) = sample(model, [PROMPTS[1]], max_new_tokens=STEPS, generator=seeded())
    for entry in samples:
        end = [0] if len(entry.token_ids) < STEPS else []
        plain = plain_logprob(model, PROMPTS[1], [*entry.token_ids, *end])
        assert entry.logprob == pytest.approx(plain, rel=0.1, abs=0.3)


@pytest.mark.parametrize("training", [True, False])
def test_attention_and_mode_come_back_and_the_model_still_trains(llama, training):
    llama.train(training)
    before = llama.config._attn_implementation
    sample(llama, PROMPTS, max_new_tokens=3)
    assert (llama.config._attn_implementation, llama.training) == (before, training)
    ids = torch.tensor([[1, 2, 3]])
    llama(ids, labels=ids).loss.backward()
    assert llama.lm_head.weight.grad is not None


def test_attention_and_mode_come_back_after_an_error(llama):
    sample(llama, PROMPTS[:1], max_new_tokens=1)
    before = llama.config._attn_implementation
    llama.train()

    def broken(module, arguments):
        raise RuntimeError("broken")

    hook = llama.get_input_embeddings().register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="broken"):
        sample(llama, PROMPTS)
    hook.remove()
    assert (llama.config._attn_implementation, llama.training) == (before, True)
