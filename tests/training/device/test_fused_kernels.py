"""torch.compile's blocks against plain ones; Liger by a stand-in: it needs CUDA, and none is here."""

import shutil
import sys
import types

import pytest
import torch
from torch._dynamo.utils import counters

from calrec_recbole.errors import ConfigError
from calrec_recbole.training.device import fused_kernels as kernels
from calrec_recbole.training.device.fused_kernels import liger_nll, repeated_blocks, use_kernels
from calrec_recbole.training.objective import summed_generation

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def losses(run, steps):
    found = []
    run.run(steps, lambda report: found.append((report.total, report.tt, report.ut, report.gradient_norm)))
    return found


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at it
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_blocks_give_the_same_losses_and_are_compiled_once(tiny_training):
    """Every batch has other lengths; the blocks are plain again when training pauses."""
    sizes = {"micro_batch_tokens": 400, "learning_rate": 1e-2, "lr_warmup_steps": 1}
    expected = losses(tiny_training(**sizes), 6)
    run = tiny_training(kernels="compile", **sizes)
    counters.clear()
    found = losses(run, 2)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    assert all(block._compiled_call_impl is None for block in repeated_blocks(run.backbone.model))
    found += losses(run, 6)
    assert counters["stats"]["unique_graphs"] == graphs
    assert found == [pytest.approx(step, rel=1e-4) for step in expected]


@pytest.fixture
def stand_in(monkeypatch):
    """A package of Liger's name, which remembers the models that were handed to it."""
    module, seen = types.ModuleType("liger_kernel.transformers"), []

    class LigerFusedLinearCrossEntropyLoss:
        def __init__(self, reduction):
            assert reduction == "sum"

        def __call__(self, weight, hidden, tokens):
            return torch.nn.functional.cross_entropy(hidden @ weight.T, tokens, reduction="sum")

    def apply(model, rope, fused_linear_cross_entropy):
        assert not rope
        assert not fused_linear_cross_entropy
        vars(sys.modules[type(model).__module__])["F"] = None  # as Liger's own do with classes of transformers
        seen.append(model)

    module._apply_liger_kernel_to_instance = apply
    module.LigerFusedLinearCrossEntropyLoss = LigerFusedLinearCrossEntropyLoss
    monkeypatch.setitem(sys.modules, "liger_kernel", types.ModuleType("liger_kernel"))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", module)
    monkeypatch.setattr(kernels, "find_spec", lambda name: name)
    return seen


def test_auto_is_liger_on_cuda_where_it_is_installed(stand_in, monkeypatch):
    model = torch.nn.Linear(1, 1)
    assert use_kernels(model, "auto", CUDA) == "liger"
    assert use_kernels(model, "liger", CUDA) == "liger"
    assert stand_in == [model, model]
    assert vars(sys.modules[type(model).__module__])["F"] is torch.nn.functional
    assert use_kernels(model, "auto", CPU) == "plain"
    assert use_kernels(model, "plain", CUDA) == "plain"
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    assert use_kernels(model, "auto", CUDA) == "plain"
    assert len(stand_in) == 2


def test_liger_is_refused_in_one_line_where_it_cannot_be_had(monkeypatch):
    with pytest.raises(ConfigError, match=r"kernels=liger needs a CUDA device, not cpu: set kernels: auto"):
        use_kernels(None, "liger", CPU)
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the package liger-kernel: pip install liger-kernel"):
        use_kernels(None, "liger", CUDA)


@pytest.mark.usefixtures("stand_in")
def test_a_fused_loss_takes_the_heads_matrix_the_states_and_the_tokens(tiny_training):
    run = tiny_training()
    hidden, labels = torch.randn(7, 16), torch.arange(7)
    with torch.no_grad():
        expected = summed_generation(run.backbone, hidden, labels)
        torch.testing.assert_close(summed_generation(run.backbone, hidden, labels, None, liger_nll()), expected)
