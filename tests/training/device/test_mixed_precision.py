"""In which precision products run, and with which attention."""

from types import SimpleNamespace

import pytest
import torch

from calrec_recbole.errors import ConfigError
from calrec_recbole.training.device import mixed_precision
from calrec_recbole.training.device.mixed_precision import autocast, fast_attention, plain_attention, resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def model():
    config = SimpleNamespace(_attn_implementation="sdpa")
    return SimpleNamespace(
        config=config, device=CPU, set_attn_implementation=lambda name: setattr(config, "_attn_implementation", name)
    )


@pytest.mark.parametrize(
    ("asked", "has", "dtype"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),  # a CPU converts: slow, and what was asked for
    ],
)
def test_auto_is_bfloat16_where_the_device_computes_it(asked, has, dtype, monkeypatch):
    monkeypatch.setattr(mixed_precision, "_computes_bfloat16", lambda device: has)
    assert resolve_precision(asked, CPU) is dtype


def test_a_gpu_without_bfloat16_refuses_it_by_name(monkeypatch):
    monkeypatch.setattr(mixed_precision, "_computes_bfloat16", lambda device: False)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Old GPU")
    with pytest.raises(ConfigError, match="precision=bfloat16: Old GPU lacks it; set precision: float32"):
        resolve_precision("bfloat16", torch.device("cuda"))


def test_products_run_in_the_precision_of_the_block():
    one = torch.ones(2, 2)
    with autocast(torch.bfloat16, CPU):
        assert (one @ one).dtype is torch.bfloat16
    with autocast(torch.float32, CPU):
        assert (one @ one).dtype is torch.float32


@pytest.mark.parametrize(("precision", "inside"), [(torch.bfloat16, "eager"), (torch.float32, "sdpa")])
def test_in_bfloat16_a_cpu_attends_by_plain_operations(model, precision, inside):
    with fast_attention(model, precision):
        assert model.config._attn_implementation == inside
    assert model.config._attn_implementation == "sdpa"


def test_another_attention_than_torchs_kernel_is_left_alone(model):
    model.config._attn_implementation = "flash_attention_2"
    with plain_attention(model):
        assert model.config._attn_implementation == "flash_attention_2"
