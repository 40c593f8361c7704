"""Whether the variable-length kernel computes here what it is taken for; if not, prompts and suffixes are padded."""

import logging
from functools import cache

import torch
from torch import Tensor

from calrec_recbole.attention.varlen import Segments, fused, varlen_attention, varlen_attention_in_loops

__all__ = ["packs"]

AGREES = 0.05  # root mean square of the differences, in half precision, of outputs and log-sums of size 1
ROWS = ([2, 1, 3], [1, 0, 1])  # queries of each sequence: of one that is over there are none

_log = logging.getLogger(__name__)


def packs(states: Tensor) -> bool:
    """Whether keys and values like ``states`` (.., D) are read by the kernel."""
    return fused(states) and _agrees(str(states.device), states.dtype, states.shape[-1])


@cache
def _agrees(device: str, dtype: torch.dtype, width: int) -> bool:
    """Rows over suffixes that stand in any order and are used in part, and over prompts: kernel against loops."""
    try:
        gap = max(_gap(torch.device(device), dtype, width, rows, causal) for rows in ROWS for causal in (True, False))
        if not gap < AGREES:
            raise RuntimeError(f"off by {gap:.2g}")
    except (RuntimeError, TypeError, ValueError) as problem:
        reason = str(problem).strip().split("\n")[0]
        _log.warning("torch's variable-length attention cannot be used on %s (%s): prompts are padded", device, reason)
        return False
    return True


def _gap(device: torch.device, dtype: torch.dtype, width: int, rows: list[int], causal: bool) -> float:
    """Of outputs and log-sums the larger root mean square of the differences; infinite where they are no numbers."""
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (
        torch.randn(count, heads, width, generator=generator).to(device, dtype)
        for count, heads in ((sum(rows), 6), (30, 2), (30, 2))
    )
    begins, used = (torch.tensor(one, dtype=torch.int32, device=device) for one in ([20, 0, 10, 0], [7, 1, 5]))
    asked = query, keys, values, Segments.of(rows, device), Segments(begins, 10)
    options = {"causal": causal, "scaling": width**-0.5, "used": used}
    found, wanted = (way(*asked, **options) for way in (varlen_attention, varlen_attention_in_loops))
    gaps = [(one.float() - other.float()).square().mean().sqrt() for one, other in zip(found, wanted, strict=True)]
    return max(float(gap.nan_to_num(torch.inf)) for gap in gaps)
