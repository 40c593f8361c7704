"""`text_logprobs` against plain forward passes, and the work that sharing saves."""

import numpy as np
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.generation import text_logprobs
from calrec_recbole.generation.shared_prefix.memory_budget import Budget
from calrec_recbole.generation.weights import decoder_of

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5], [6]]
TEXTS = [[[1, 2, 3], [1, 2], [1, 2, 3], []], [[9, 8, 7, 6, 5, 4, 3, 2, 1]], [[5], [6], [1, 2, 3]]]


@pytest.fixture(params=[False, True], ids=["token by token", "at once"])
def at_once(request):
    return request.param


def test_equals_a_plain_forward_pass(decoder, plain_logprob, at_once):
    found = text_logprobs(decoder, PROMPTS, TEXTS, at_once=at_once)
    for prompt, texts, nats in zip(PROMPTS, TEXTS, found, strict=True):
        expected = [plain_logprob(decoder, prompt, [*text, 0]) for text in texts]
        assert nats == pytest.approx(expected, abs=1e-4)


def test_equal_texts_get_the_very_same_number(llama, at_once):
    (nats,) = text_logprobs(llama, PROMPTS[:1], TEXTS[:1], at_once=at_once)
    assert nats[0] == nats[2]
    assert len(set(nats.tolist())) == 3


def test_batching_does_not_change_the_numbers(decoder, at_once):
    together = text_logprobs(decoder, PROMPTS, TEXTS, at_once=at_once)
    alone = text_logprobs(decoder, PROMPTS, TEXTS, memory_bytes=1, at_once=at_once)
    for left, right in zip(together, alone, strict=True):
        assert left == pytest.approx(right, abs=1e-5)


def test_several_end_ids_are_one_event(llama, plain_logprob, at_once):
    llama.generation_config.eos_token_id = [0, 11]
    (nats,) = text_logprobs(llama, [[1, 2]], [[[3, 4]]], at_once=at_once)
    ends = [plain_logprob(llama, [1, 2], [3, 4, end]) for end in (0, 11)]
    assert nats == pytest.approx([np.logaddexp(*ends)], abs=1e-4)


def test_a_shared_prefix_is_read_once(llama, passes):
    text_logprobs(llama, [[9]], [[[1]]])  # the probe of a new model
    rows = passes(llama)
    texts = [[[1, 2, 3], [1, 2, 4], [1, 5], [1, 2, 3]]]
    text_logprobs(llama, [[9, 9, 9, 9]], texts)
    assert rows == [4, 1, 2, 2]  # the prompt; 1; 12 15; 123 124


def test_at_once_all_texts_are_read_in_one_pass(llama, passes):
    text_logprobs(llama, [[9]], [[[1]]])
    rows = passes(llama)
    text_logprobs(llama, [[9, 9, 9, 9], [8, 8]], [[[1, 2, 3], [1, 2, 4], [1, 2, 3]], [[5]]], at_once=True)
    assert rows == [6, 7]


def test_texts_beyond_the_memory_are_read_in_parts(llama, passes, at_once):
    texts = [[first, second] for first in range(1, 6) for second in range(1, 6)]
    (whole,) = text_logprobs(llama, [[9, 9]], [texts], at_once=at_once)
    rows = passes(llama)
    room = Budget(decoder_of(llama), 1 << 30, 4, 3, whole=at_once).of(1, 2)  # four texts at a time
    (parts,) = text_logprobs(llama, [[9, 9]], [texts], memory_bytes=room, at_once=at_once)
    assert rows.count(2) > 3  # the prompt, again and again
    assert parts == pytest.approx(whole, abs=1e-5)


def test_an_empty_text_is_the_end_alone(llama, plain_logprob, at_once):
    (nats,) = text_logprobs(llama, [[1, 2]], [[[]]], at_once=at_once)
    assert nats == pytest.approx([plain_logprob(llama, [1, 2], [0])], abs=1e-4)


def test_prompts_without_texts_are_passed_over(llama, at_once):
    found = text_logprobs(llama, PROMPTS, [[], [[1]], []], at_once=at_once)
    assert [len(nats) for nats in found] == [0, 1, 0]
    assert text_logprobs(llama, [], []) == []


def test_what_does_not_fit_is_refused(llama):
    with pytest.raises(DataError, match="texts are given for 1 prompts of 3"):
        text_logprobs(llama, PROMPTS, [[[1]]])
    with pytest.raises(DataError, match=r"prompts\[0\] is empty"):
        text_logprobs(llama, [[]], [[[1]]])
    with pytest.raises(DataError, match=r"texts\[1\] holds token 12; the model knows 0 to 11"):
        text_logprobs(llama, [[1]], [[[1], [12]]])
