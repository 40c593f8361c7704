"""The sampler against a server that draws from the very model, in every form that servers answer in."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from calrec_recbole.engines.servers.openai_sampler import OpenAISampler
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.errors import BackboneError, ConfigError, DataError
from calrec_recbole.generation import Sample

PROMPTS, SEEDS, STEPS = [[1, 2, 3], [4, 5, 7, 8, 1], [6]], [1, 2, 3], 5


def sampler(backbone, *stand_ins, **settings):
    return OpenAISampler(backbone, ServerSettings([one.url for one in stand_ins], **settings))


@pytest.mark.parametrize("form", ["vllm", "spelled", "texts", "nothing", "llama.cpp"])
def test_samples_are_those_of_the_native_engines_type_with_logprobs_at_temperature_1(
    serve, backbone, llama, plain_logprob, form
):
    drawn = sampler(backbone, serve(form=form))(PROMPTS, 12, 0.9, STEPS, seeds=SEEDS)
    lengths = set()
    for prompt, samples in zip(PROMPTS, drawn, strict=True):
        assert sum(one.count for one in samples) == 12
        assert samples == sorted(samples, key=lambda one: (-one.logprob, one.token_ids))
        for one in samples:
            assert isinstance(one, Sample)
            end = [0] if len(one.token_ids) < STEPS else []
            assert one.logprob == pytest.approx(plain_logprob(llama, prompt, [*one.token_ids, *end]), abs=1e-4)
            lengths.add(len(one.token_ids))
    assert min(lengths) < STEPS == max(lengths)


def test_draws_follow_the_distribution_at_the_temperature(serve, backbone, llama):
    """The first token of 300 draws, each its own request: chi-square against the softmax."""
    seeds = range(300)
    drawn = sampler(backbone, serve())([[1, 2]] * 300, 1, 0.8, 1, seeds=seeds)
    found = Counter((one.token_ids or (0,))[0] for samples in drawn for one in samples)
    with torch.inference_mode():
        expected = 300 * (llama(torch.tensor([[1, 2]])).logits[0, -1].double() / 0.8).softmax(-1)
    kept = [token for token in range(12) if expected[token] >= 5]
    rest = 300 - sum(found[token] for token in kept), 300 - float(sum(expected[token] for token in kept))
    pairs = [(found[token], float(expected[token])) for token in kept] + ([rest] if rest[1] > 1 else [])
    observed, wanted = zip(*pairs, strict=True)
    assert chisquare(observed, [one * sum(observed) / sum(wanted) for one in wanted]).pvalue > 1e-3


def test_the_same_seed_draws_the_same_at_whichever_server(serve, backbone):
    one, two = serve(), serve()
    together = sampler(backbone, one, two)(PROMPTS * 4, 4, 0.9, STEPS, seeds=SEEDS * 4)
    assert min(one.answered, two.answered) > 1  # the first is the check's
    assert together[:3] == sampler(backbone, one)(PROMPTS, 4, 0.9, STEPS, seeds=SEEDS)


def test_a_server_that_draws_fewer_at_once_is_asked_more_often(serve, backbone):
    stand_in = serve(limit=3)
    drawn = sampler(backbone, stand_in, engine_requests=1)(PROMPTS, 16, 0.9, STEPS, seeds=SEEDS)
    assert [sum(one.count for one in samples) for samples in drawn] == [16] * 3
    sizes = [body["n"] for body in stand_in.asked]
    assert sizes[:3] == [8, 4, 2]  # the first prompt's check, which learns the limit
    assert max(sizes[3:]) <= 3
    seeds = [body["seed"] for body in stand_in.asked[-8:]]
    assert len(set(seeds)) == 8


def test_a_server_killed_in_the_middle_that_returns_loses_nothing(serve, backbone):
    undisturbed = sampler(backbone, serve())(PROMPTS * 2, 4, 0.9, STEPS, seeds=range(6))
    stand_in = serve(fail=[None, None, None, "cut", 503])
    asking = sampler(backbone, stand_in, engine_requests=2)
    object.__setattr__(asking.pool, "first_pause", 0.05)
    assert asking(PROMPTS * 2, 4, 0.9, STEPS, seeds=range(6)) == undisturbed
    assert not stand_in.fail


def test_one_that_stays_away_ends_with_one_line(serve, backbone):
    stand_in = serve()
    asking = sampler(backbone, stand_in, engine_patience=0)
    asking(PROMPTS, 2, 0.9, STEPS, seeds=SEEDS)
    stand_in.end()
    with pytest.raises(ConfigError, match=r"does not answer .*start it again; the same command goes on") as told:
        asking(PROMPTS, 2, 0.9, STEPS, seeds=SEEDS)
    assert "\n" not in str(told.value)


def test_tempered_logprobs_are_refused_before_a_sample_is_kept(serve, backbone):
    stand_in = serve(tempered=True)
    with pytest.raises(ConfigError, match=r"tells log-probabilities after temperature=0.4"):
        sampler(backbone, stand_in)(PROMPTS, 16, 0.4, STEPS, seeds=SEEDS)
    assert len(stand_in.asked) == 1


def test_other_weights_are_refused(serve, backbone, build):
    other = build("llama")
    with torch.no_grad():
        other.lm_head.weight.mul_(3)
    with pytest.raises(ConfigError, match=r"serves other weights than pre_model_path"):
        sampler(backbone, serve(), serve(model=other))(PROMPTS, 16, 1.0, STEPS, seeds=SEEDS)


def test_an_answer_of_another_form_is_told(serve, backbone):
    stand_in = serve()
    stand_in.choice = lambda body, number: {"message": {"content": "hello"}}
    with pytest.raises(ConfigError, match=r"answers in another form .*'text'"):
        sampler(backbone, stand_in)(PROMPTS, 2, 0.9, STEPS, seeds=SEEDS)


def test_faults_of_settings_and_prompts_are_the_native_ones(serve, backbone, llama):
    stand_in = serve()
    with pytest.raises(ConfigError, match=r"n is 0"):
        sampler(backbone, stand_in)(PROMPTS, 0, 0.9, STEPS, seeds=SEEDS)
    with pytest.raises(DataError, match=r"prompts\[0\] is empty"):
        sampler(backbone, stand_in)([[]], 1, 0.9, STEPS, seeds=[1])
    assert sampler(backbone, stand_in)([], 1, 0.9, STEPS, seeds=[]) == []
    assert not stand_in.asked
    llama.generation_config.eos_token_id = [0, 3]
    with pytest.raises(BackboneError, match=r"knows one end id"):
        sampler(backbone, stand_in)
