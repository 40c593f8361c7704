"""Which engine draws the samples, by its name."""

import pytest

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.samplers import check_sampler, sampler_of
from calrec_recbole.engines.servers.openai_sampler import OpenAISampler
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.engines.vllm import VllmSampler
from calrec_recbole.engines.xla.static_sampling import StaticSampler
from calrec_recbole.errors import ConfigError

NOWHERE = ServerSettings()
CLOSED = ServerSettings("http://127.0.0.1:9")  # the discard service's port


def test_an_unknown_engine_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"='vlm' must be one of native, vllm, openai; did you mean 'vllm'"):
        check_sampler("vlm", NOWHERE)
    with pytest.raises(ConfigError, match=r"generation_engine='xla' must be one of native, vllm, openai"):
        check_sampler("xla", NOWHERE)  # device asks for it


def test_only_the_engine_that_is_named_needs_its_package_or_its_server(monkeypatch):
    monkeypatch.setattr("calrec_recbole.engines.vllm.find_spec", lambda name: None)
    check_sampler("native", NOWHERE)
    with pytest.raises(ConfigError, match=r"generation_engine=vllm needs the package vllm"):
        check_sampler("vllm", NOWHERE)
    with pytest.raises(ConfigError, match=r"needs an address: set engine_url"):
        check_sampler("openai", NOWHERE)
    with pytest.raises(ConfigError, match=r"engine_url=http://127.0.0.1:9 does not answer"):
        check_sampler("openai", CLOSED)


def test_an_address_without_its_engine_is_no_silence():
    with pytest.raises(ConfigError, match=r"engine_url=http://127.0.0.1:9 needs generation_engine=openai, not native"):
        check_sampler("native", CLOSED)


def test_each_name_has_its_sampler(llama):
    backbone = Backbone(llama, None)
    assert sampler_of("native", backbone, NOWHERE) is None
    assert isinstance(sampler_of("vllm", backbone, NOWHERE), VllmSampler)
    assert isinstance(sampler_of("openai", backbone, CLOSED), OpenAISampler)
    assert isinstance(sampler_of("xla", backbone, NOWHERE), StaticSampler)
