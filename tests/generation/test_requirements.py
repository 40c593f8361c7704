"""What cannot be sampled is refused in one line that names the setting, its value and the fix."""

import math

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, Gemma2Config, Gemma2ForCausalLM, MambaConfig, MambaForCausalLM

from calrec_recbole.errors import BackboneError, ConfigError, DataError
from calrec_recbole.generation import probe, sample
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"n": 0}, "n is 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ],
)
def test_settings(llama, settings, message):
    with pytest.raises(ConfigError, match=message):
        sample(llama, [[1]], **settings)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [([], r"prompts\[1\] is empty"), ([3, 12], "token 12; .* 0 to 11"), ([-1, 3], "token -1"), ([1] * 250, "256 pos")],
)
def test_prompts(llama, prompt, message):
    with pytest.raises(DataError, match=message):
        sample(llama, [[1], prompt])


def test_a_model_without_end_token(llama):
    llama.generation_config.eos_token_id = llama.config.eos_token_id = None
    with pytest.raises(BackboneError, match=r"generation_config\.eos_token_id"):
        sample(llama, [[1]])


def test_the_config_s_end_token_serves_where_the_generation_config_has_none(llama):
    llama.generation_config.eos_token_id = None
    assert sample(llama, [[1]], n=3)


def test_soft_caps_are_refused():
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = Gemma2ForCausalLM(Gemma2Config(vocab_size=12, head_dim=8, num_key_value_heads=1, eos_token_id=1, **sizes))
    with pytest.raises(BackboneError, match="softcap"):
        sample(model, [[3, 4]])


def test_an_attention_that_cannot_be_replaced_is_refused():
    model = BloomForCausalLM(BloomConfig(vocab_size=12, hidden_size=16, n_layer=1, n_head=2, eos_token_id=1))
    with pytest.raises(BackboneError, match="BloomForCausalLM"):
        sample(model, [[3, 4]])


def test_chunked_attention_is_refused(llama):
    llama.config.layer_types = ["chunked_attention", "full_attention"]
    with pytest.raises(BackboneError, match="chunked_attention"):
        sample(llama, [[3, 4]])


def test_a_state_space_model_is_refused():
    torch.manual_seed(0)
    model = MambaForCausalLM(
        MambaConfig(vocab_size=12, hidden_size=16, num_hidden_layers=1, eos_token_id=1, initializer_range=0.5)
    )
    with pytest.raises(BackboneError, match="linear_attention"):
        sample(model, [[3, 4]])


def test_the_probe_catches_another_attention(llama, monkeypatch):
    class OffByOne(PrefixDecoder):
        @property
        def logits(self):
            return super().logits + 1

    monkeypatch.setattr(probe, "PrefixDecoder", OffByOne)
    with pytest.raises(BackboneError, match=r"off by 1\b"):
        sample(llama, [[3, 4]])


def test_the_probe_runs_once_a_model(llama, passes):
    rows = passes(llama)
    sample(llama, [[3, 4]], max_new_tokens=1)
    first = len(rows)
    sample(llama, [[3, 4]], max_new_tokens=1)
    assert len(rows) - first == 1
    assert first > 1
