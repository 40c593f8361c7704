"""What choices say, written by hand as the servers write them: the end token is 0, a text's tokens are its letters."""

import pytest

from calrec_recbole.engines.servers.completion import Drawn, drawn_of, request_body


class Letters:
    def read(self, text):
        return [ord(letter) - ord("a") + 1 for letter in text]

    def write(self, token_ids):
        return "".join(chr(ord("a") + token - 1) for token in token_ids)


def read(choice, steps=3):
    return drawn_of(choice, end=0, steps=steps, tokens=Letters())


def content(*tokens):
    return {"content": [{"id": token, "logprob": nats} for token, nats in tokens]}


def listed(tokens, *nats):
    return {"tokens": tokens, "token_logprobs": list(nats)}


ENDED, CUT = {"text": "ab", "finish_reason": "stop"}, {"text": "abc", "finish_reason": "length"}


@pytest.mark.parametrize(
    ("choice", "drawn"),
    [
        (
            {**ENDED, "token_ids": [1, 2, 0], "logprobs": listed(["a", "b", ""], -1, -2, -3)},
            ((1, 2), True, (-1, -2, -3)),
        ),
        ({**ENDED, "logprobs": content((1, -1), (2, -2), (0, -3))}, ((1, 2), True, (-1, -2, -3))),
        # another tokenisation than the tokenizer's own
        ({**ENDED, "token_ids": [9, 0], "logprobs": listed(["ab", ""], -1, -3)}, ((9,), True, (-1, -3))),
        (
            {**CUT, "token_ids": [1, 2, 3], "logprobs": listed(["a", "b", "c"], -1, -2, -4)},
            ((1, 2, 3), False, (-1, -2, -4)),
        ),
        (
            {**ENDED, "logprobs": listed(["token_id:1", "token_id:2", "token_id:0"], -1, -2, -3)},
            ((1, 2), True, (-1, -2, -3)),
        ),
        ({**ENDED, "logprobs": listed(["a", "b", "<end>"], -1, -2, -3)}, ((1, 2), True, (-1, -2, -3))),
        ({**CUT, "logprobs": listed(["a", "b", "c"], -1, -2, -4)}, ((1, 2, 3), False, (-1, -2, -4))),
    ],
)
def test_tokens_and_logprobs_that_are_told_whole_are_taken(choice, drawn):
    assert read(choice) == Drawn(*drawn)


@pytest.mark.parametrize(
    ("choice", "ids", "ended"),
    [
        ({**ENDED, "logprobs": None}, (1, 2), True),
        ({**ENDED, "token_ids": [1, 2], "logprobs": listed(["a", "b"], -1, -2)}, (1, 2), True),  # not the end's
        (
            {**ENDED, "token_ids": [1, 2, 7], "logprobs": listed(["a", "b", "?"], -1, -2, -3)},
            (1, 2),
            True,
        ),  # another end
        ({**ENDED, "token_ids": [1, 2, 0], "logprobs": listed(["a", "b"], -1, -2)}, (1, 2), True),
        ({**ENDED, "logprobs": content((2, -2), (0, -3))}, (1, 2), True),  # the half of a character is left out
        ({**ENDED, "logprobs": listed(["ab", ""], -1, -3)}, (1, 2), True),  # ids unknown, and more than were drawn
        ({**CUT, "text": "ab\ufffd", "logprobs": content((1, -1), (2, -2))}, (1, 2), False),
        ({**CUT, "text": "abcdef", "logprobs": None}, (1, 2, 3), False),
    ],
)
def test_what_is_told_in_part_is_read_again(choice, ids, ended):
    assert read(choice) == Drawn(ids, ended, None)


def test_the_whole_distribution_is_asked_for():
    body = request_body("tiny", (5, 6), n=4, temperature=0.7, steps=9, seed=11, end=0)
    asked = {"model": "tiny", "prompt": [5, 6], "n": 4, "temperature": 0.7, "max_tokens": 9, "seed": 11}
    assert asked.items() <= body.items()
    assert (body["top_p"], body["top_k"], body["min_p"], body["repetition_penalty"]) == (1.0, -1, 0.0, 1.0)
    assert (body["stop_token_ids"], body["samplers"], body["logprobs"]) == ([0], ["temperature"], 1)
