"""How float32 matrices are multiplied: as they are, or rounded to TensorFloat32 or bfloat16 first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["exact_products", "product_precisions"]


def product_precisions() -> tuple[str, str]:
    """That of CUDA and that of a CPU: "ieee" or "none" as they are, "tf32" or "bf16" rounded."""
    mkldnn: Any = torch.backends.mkldnn
    return torch.backends.cuda.matmul.fp32_precision, mkldnn.matmul.fp32_precision


@contextmanager
def exact_products() -> Iterator[None]:
    """Within the block products of float32 are those of float32; afterwards they are as before."""
    before = product_precisions()
    _set("ieee", "ieee")
    try:
        yield
    finally:
        _set(*before)


def _set(cuda: str, cpu: str) -> None:
    torch.backends.cuda.matmul.fp32_precision = cuda
    mkldnn: Any = torch.backends.mkldnn
    mkldnn.matmul.fp32_precision = cpu
