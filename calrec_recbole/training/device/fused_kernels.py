"""Kernels of well-kept libraries for a backbone in training: Liger's, or what torch.compile makes of its blocks."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from calrec_recbole.errors import ConfigError

__all__ = ["COMPILE", "LIGER", "compiled", "liger_nll", "repeated_blocks", "use_kernels"]

AUTO, PLAIN, LIGER, COMPILE = "auto", "plain", "liger", "compile"

logger = logging.getLogger(__name__)


def use_kernels(model: Any, wanted: str, device: torch.device) -> str:
    """Puts the kernels ``wanted`` into ``model``, in place -> which are used now: plain, liger or compile.

    ``auto`` is Liger on CUDA where it is installed, otherwise plain. Liger (Hsu et al. 2024,
    https://arxiv.org/abs/2410.10989) replaces norms and SwiGLU of the architectures that it knows.
    ``compile`` changes nothing yet: see ``compiled``. Raises ``ConfigError`` where Liger cannot be had.
    """
    if wanted == LIGER and device.type != "cuda":
        raise ConfigError(f"kernels=liger needs a CUDA device, not {device.type}: set kernels: auto")
    if wanted == LIGER and not find_spec("liger_kernel"):
        raise ConfigError("kernels=liger needs the package liger-kernel: pip install liger-kernel, or kernels: auto")
    if wanted == LIGER or (wanted == AUTO and device.type == "cuda" and find_spec("liger_kernel")):
        _put_liger_into(model)
        logger.info("kernels: norms and SwiGLU by Liger, where it knows %s", type(model).__name__)
        return LIGER
    return COMPILE if wanted == COMPILE else PLAIN


def _put_liger_into(model: Any) -> None:
    """Into this model alone. Liger also replaces names in transformers' module, which models on a CPU read as well; its
    rotary embedding is one of these, and is done without."""
    module = vars(sys.modules[type(model).__module__])
    names = dict(module)
    liger = importlib.import_module("liger_kernel.transformers")
    liger._apply_liger_kernel_to_instance(model=model, rope=False, fused_linear_cross_entropy=False)
    module.update(names)


@contextmanager
def compiled(model: Any) -> Iterator[None]:
    """Within the block torch.compile runs each block of ``model``, compiled once for all lengths and all layers."""
    blocks = repeated_blocks(model)
    for block in blocks:
        block.compile(dynamic=True)
    try:
        yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None  # what ``compile`` has set: sampling reads the plain blocks


def repeated_blocks(model: Any) -> list[Any]:
    """The decoder's blocks, as transformers names them."""
    names = model._no_split_modules or ()
    return [part for part in model.modules() if type(part).__name__ in names]


def liger_nll() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Liger's ``(weight (V, D), hidden (N, D), tokens (N,)) -> summed -log P``, nats, without the (N, V) logits."""
    liger = importlib.import_module("liger_kernel.transformers")
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] = liger.LigerFusedLinearCrossEntropyLoss(reduction="sum")
    return loss
