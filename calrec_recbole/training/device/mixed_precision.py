"""Where training runs and in which precision."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from calrec_recbole.errors import ConfigError

__all__ = ["autocast", "fast_attention", "resolve_precision"]


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 where ``device`` computes it in hardware, else float32. Master weights are float32 in any
    case.
    """
    has_bfloat16 = _computes_bfloat16(device)
    if precision == "bfloat16" and device.type == "cuda" and not has_bfloat16:
        raise ConfigError(f"precision=bfloat16: {torch.cuda.get_device_name(device)} lacks it; set precision: float32")
    wanted = precision == "bfloat16" or (precision == "auto" and has_bfloat16)
    return torch.bfloat16 if wanted else torch.float32


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _cpu_has_bfloat16_units()


def _cpu_has_bfloat16_units() -> bool:
    """oneDNN also "supports" bfloat16 by converting to float32 first, which is slower than float32 itself."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """A context in which matrix products run in ``dtype``."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def fast_attention(model: Any, precision: torch.dtype) -> AbstractContextManager[None]:
    """``model`` with plain attention where that is the faster one in training, set back at the end; elsewhere as it is.

    In bfloat16 on a CPU torch's fused kernel is slow: forward and backward of 27 sequences of 150 tokens take 119 ms
    against 40 ms.
    """
    slow = precision == torch.bfloat16 and model.device.type == "cpu"
    return plain_attention(model) if slow else nullcontext()


@contextmanager
def plain_attention(model: Any) -> Iterator[None]:
    """``model`` with attention of plain operations in the place of torch's fused kernel, set back at the end."""
    before = model.config._attn_implementation
    if before == "sdpa":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
