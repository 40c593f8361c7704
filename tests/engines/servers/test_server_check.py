"""The told log-probabilities against the backbone's, which ``plain_logprob`` gives by hand."""

import logging
import math

import pytest
import torch

from calrec_recbole.engines.servers.completion import Drawn
from calrec_recbole.engines.servers.server_check import check_server, gaps
from calrec_recbole.errors import ConfigError

PROMPT, IDS = [1, 2, 3], (4, 5, 6, 7)


@pytest.fixture
def nats(llama):
    """By temperature: of each of ``IDS`` and of the end."""

    def of(temperature=1.0):
        with torch.inference_mode():
            logits = llama(torch.tensor([[*PROMPT, *IDS]])).logits[0, len(PROMPT) - 1 :].double() / temperature
        return [float(row.log_softmax(-1)[token]) for row, token in zip(logits, [*IDS, 0], strict=True)]

    return of


def checked(llama, logprobs, temperature=0.5):
    told = tuple(logprobs)
    check_server("http://one", llama, PROMPT, [Drawn(IDS, len(told) > len(IDS), told)], temperature, 0)


def test_gaps_are_differences_by_token(llama, nats):
    told = [value + shift for value, shift in zip(nats(), (0.1, 0.0, -0.3, 0.0, 0.0), strict=True)]
    found = gaps(llama, PROMPT, [Drawn(IDS, True, tuple(told)), Drawn(IDS, False, tuple(nats()[:4]))], 0.5, 0)
    assert found.tokens == 9
    assert found.mean == pytest.approx(0.4 / 9, abs=1e-4)
    assert found.largest == pytest.approx(0.3, abs=1e-4)  # float32, of some hundred nats


def test_raw_ones_pass_also_a_little_off(llama, nats, caplog):
    caplog.set_level(logging.INFO)
    checked(llama, nats())
    checked(llama, [value + 0.1 for value in nats()])
    assert "http://one: log-probabilities of 5 tokens within" in caplog.text


def test_tempered_ones_are_refused_with_the_fix(llama, nats):
    with pytest.raises(ConfigError, match=r"after temperature=0.5 .*--logprobs-mode=raw_logprobs, llama.cpp"):
        checked(llama, nats(0.5))
    checked(llama, nats(1.0), temperature=1.0)


@pytest.mark.parametrize("wrong", [1.0, math.nan])
def test_other_weights_are_refused(llama, nats, wrong):
    with pytest.raises(ConfigError, match=r"serves other weights than pre_model_path.*checkpoint/best"):
        checked(llama, [value - wrong for value in nats()], temperature=1.0)


def test_where_nothing_is_told_a_line_says_so(llama, caplog):
    check_server("http://one", llama, PROMPT, [Drawn(IDS, True, None)], 0.5, 0)
    assert "http://one tells no log-probabilities" in caplog.text
