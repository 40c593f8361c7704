"""``device: xla`` by its setting; benchmarks/xla_check.sh runs it on XLA itself."""

import sys
from types import SimpleNamespace

import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.calrec.core_settings import BackboneSettings, CALRecSettings, check_generation
from calrec_recbole.plugin.config import Config
from calrec_recbole.runs.run_folder import run_id

XLA = torch.device("xla", 0)


@pytest.fixture
def xla(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_xla", SimpleNamespace(device=lambda: XLA))


def test_auto_is_what_recbole_chooses(calrec_settings):
    config = Config("CALRec", None, (), calrec_settings | {"use_gpu": False})
    assert (config["device"], config.settings["device"]) == (torch.device("cpu"), "auto")


def test_xla_is_torch_xlas_device_and_stands_in_the_settings(calrec_settings, xla):
    config = Config("CALRec", None, (), calrec_settings | {"device": "xla"})
    assert (config["device"], config.settings["device"]) == (XLA, "xla")
    again = Config(config_dict=config.settings)
    assert again["device"] == XLA


def test_a_missing_package_is_told_with_the_setting_and_the_fix(calrec_settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_xla", None)
    with pytest.raises(ConfigError, match=r"device=xla needs .*pip install torch==2\.9\.0 torch_xla==2\.9\.0"):
        Config("CALRec", None, (), calrec_settings | {"device": "xla"})


def test_another_name_or_another_model_is_refused(calrec_settings, tiny_settings):
    with pytest.raises(ConfigError, match="device='tpu' must be one of auto, cpu, cuda, xla"):
        Config("CALRec", None, (), calrec_settings | {"device": "tpu"})
    with pytest.raises(ConfigError, match="device"):
        Config("SASRec", None, (), tiny_settings | {"device": "xla"})


def test_ids_are_those_of_before_unless_xla_is_asked_for():
    older, auto, xla = (
        run_id({"seed": 7, **device}, {}, [BackboneSettings]) for device in ({}, {"device": "auto"}, {"device": "xla"})
    )
    assert older == auto != xla


def test_samples_of_xla_are_kept_apart_from_native_ones(calrec_settings, xla):
    native, other = (
        CALRecSettings.from_config(Config("CALRec", None, (), calrec_settings | {"use_gpu": False, "device": device}))
        for device in ("auto", "xla")
    )
    assert (native.inference.generation_engine, other.inference.generation_engine) == ("native", "xla")


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({}, 2, "device=xla runs in one process, not 2"),
        ({"generation_engine": "vllm"}, 1, "set generation_engine: native, not vllm"),
        ({"decoding": "constrained"}, 1, "set decoding: sample, not constrained"),
        ({"retrieval": "rerank"}, 1, "retrieval=rerank does neither: set device: auto"),
    ],
)
def test_what_does_not_go_with_xla_is_refused(changes, processes, message, calrec_settings, xla):
    def check(changes, processes):
        config = Config("CALRec", None, (), {**calrec_settings, "device": "xla", **changes})
        check_generation(CALRecSettings.from_config(config), processes)

    check({}, 1)
    with pytest.raises(ConfigError, match=message):
        check(changes, processes)
