"""Which engine draws the samples, by its name."""

import sys

import pytest

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.samplers import check_sampler, sampler_of
from calrec_recbole.engines.vllm import VllmSampler
from calrec_recbole.engines.xla.static_sampling import StaticSampler
from calrec_recbole.errors import ConfigError


def test_an_unknown_engine_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="generation_engine='vlm' must be one of native, vllm; did you mean 'vllm'"):
        check_sampler("vlm")
    with pytest.raises(ConfigError, match="generation_engine='xla' must be one of native, vllm"):
        check_sampler("xla")  # device asks for it


def test_only_the_engine_that_is_named_needs_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    check_sampler("native")
    with pytest.raises(ConfigError, match="generation_engine=vllm needs the package vllm"):
        check_sampler("vllm")


def test_each_name_has_its_sampler(llama):
    backbone = Backbone(llama, None)
    assert sampler_of("native", backbone) is None
    assert isinstance(sampler_of("vllm", backbone), VllmSampler)
    assert isinstance(sampler_of("xla", backbone), StaticSampler)
