"""Attention over one set of keys with the log of its softmax sum, and the merge of two such results."""

import torch
from torch import Tensor

FUSED = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)  # sdpa on CPU, with the log-sums


def attend(
    query: Tensor, keys: Tensor, values: Tensor, scaling: float, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """softmax(scaling * query keys^T + mask) values -> (B, H, Q, D), and the log of the softmax's sum (B, H, Q).

    ``query``: (B, H, Q, D), ``keys`` and ``values``: (B, H, K, D), ``mask``: additive, broadcast to (B, H, Q, K).
    """
    if query.device.type == "cpu" and FUSED is not None:
        out, log_sum = FUSED(query, keys, values, attn_mask=mask, scale=scaling)
        return out, log_sum
    return attend_in_steps(query, keys, values, scaling, mask)


def attend_in_steps(
    query: Tensor, keys: Tensor, values: Tensor, scaling: float, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`attend` in plain operations, softmax in float32 at least, for any device."""
    scores = query @ keys.transpose(-1, -2) * scaling
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    scores = scores if mask is None else scores + mask
    log_sum = scores.logsumexp(-1)
    return torch.exp(scores - log_sum[..., None]).to(values.dtype) @ values, log_sum


def merge(left: Tensor, right: Tensor, log_ratio: Tensor) -> Tensor:
    """Attention over two sets of keys together, from that over each: (.., D) and (.., D) -> (.., D).

    ``log_ratio`` (..): by how much the log of the softmax's sum is larger on the left.
    """
    share = log_ratio.sigmoid()[..., None]
    return torch.lerp(right, left, share if share.dtype == left.dtype else share.to(left.dtype))
