"""torch_xla's device and its graphs, with torch_xla played."""

import sys
from types import SimpleNamespace

import pytest
import torch

from calrec_recbole.engines.xla.lazy_graph import finish_graph, xla_device
from calrec_recbole.errors import ConfigError


def test_a_missing_package_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_xla", None)
    with pytest.raises(
        ConfigError, match=r"device=xla needs .*pip install torch==2\.9\.0 torch_xla==2\.9\.0"
    ) as caught:
        xla_device()
    assert "\n" not in str(caught.value)


def test_the_device_is_torch_xlas(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_xla", SimpleNamespace(device=lambda: torch.device("xla", 0)))
    assert xla_device() == torch.device("xla", 0)


def test_a_graph_is_finished_on_xla_and_nowhere_else(monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "torch_xla", SimpleNamespace(sync=lambda: calls.append("sync")))
    finish_graph(torch.device("cpu"))
    finish_graph(torch.device("cuda"))
    assert not calls
    finish_graph(torch.device("xla", 0))
    assert calls == ["sync"]
