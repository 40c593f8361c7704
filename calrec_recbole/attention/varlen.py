"""Attention of sequences that stand packed in one row, each over its own keys: one kernel call for all of them."""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Segments", "fused", "varlen_attention", "varlen_attention_in_loops"]

LARGEST_HEAD = 256  # what FlashAttention takes
HEAD_MULTIPLE = 8
FEWEST = 2  # queries of a sequence: told of one, the kernel puts heads in their place, and needs one in each


class Segments(NamedTuple):
    """B sequences, one after another: sequence b stands at ``starts[b]`` to ``starts[b + 1]`` of the packed row."""

    starts: Tensor  # (B + 1,) int32, on the device that computes
    longest: int  # tokens; more than the longest has does no harm

    @classmethod
    def of(cls, lengths: list[int], device: torch.device) -> "Segments":
        """Those of ``lengths`` tokens each, which the host knows."""
        starts = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        if device.type == "cuda":
            starts = starts.pin_memory().to(device, non_blocking=True)  # a plain copy would wait for the device
        return cls(starts, max(lengths))


def fused(states: Tensor) -> bool:
    """Whether the kernel takes ``states`` (..., D): half precision on CUDA, heads of a width that it knows."""
    width = states.shape[-1]
    return (
        states.is_cuda
        and states.dtype in (torch.float16, torch.bfloat16)
        and width % HEAD_MULTIPLE == 0
        and width <= LARGEST_HEAD
    )


def varlen_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Segments,
    keys: Segments,
    *,
    causal: bool,
    scaling: float,
    window: int | None = None,
    used: Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """softmax(scaling * q k^T) v inside each sequence -> (N, H, D), and the logs of the softmaxes' sums (H, N) float32.

    ``query`` (N, H, D); ``key`` and ``value`` (M, K, D), where each of K heads serves H / K query heads. ``causal``
    aligns ends: the last query of a sequence sees its last key, the one before sees one key less. ``window``: it sees
    ``window`` keys at most, itself included. ``used`` (B,) int32: of the keys of each sequence only the first ones
    count. ``dropout`` acts on the softmax. Only what `fused` approves of. Gradients go through the output, not through
    the log-sums.

    FlashAttention 2 (Dao 2023, https://arxiv.org/abs/2307.08691), the kernel behind ``torch.nn.attention.varlen``,
    which torch 2.9 does not have yet.
    """
    left = -1 if window is None else window - 1
    out, log_sums, *_ = torch.ops.aten._flash_attention_forward(
        query,
        key,
        value,
        queries.starts,
        keys.starts,
        max(FEWEST, queries.longest),
        keys.longest,
        dropout,
        causal,
        False,
        scale=scaling,
        window_size_left=left,
        window_size_right=0 if causal else -1,
        seqused_k=used,
    )
    return out, log_sums


def varlen_attention_in_loops(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Segments,
    keys: Segments,
    *,
    causal: bool,
    scaling: float,
    window: int | None = None,
    used: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """What `varlen_attention` computes, sequence by sequence in plain operations: for any device and precision.

    Slow, and waits for the device: it stands in for the kernel where there is none to check against.
    """
    outs, log_sums = [], []
    q_starts, k_starts = queries.starts.tolist(), keys.starts.tolist()
    counts = [b - a for a, b in pairwise(k_starts)] if used is None else used.tolist()
    for number, count in enumerate(counts):
        q = query[q_starts[number] : q_starts[number + 1]].transpose(0, 1)  # (T, H, D) -> (H, T, D)
        inside = slice(k_starts[number], k_starts[number] + count)
        group = query.shape[1] // key.shape[1]
        k, v = (states[inside].transpose(0, 1).repeat_interleave(group, 0) for states in (key, value))
        scores = (q @ k.transpose(1, 2)).to(torch.promote_types(q.dtype, torch.float32)) * scaling
        scores = scores.masked_fill(~_seen(q.shape[1], count, causal, window, q.device), -torch.inf)
        outs.append((F.softmax(scores, -1).to(v.dtype) @ v).transpose(0, 1))
        log_sums.append(scores.detach().logsumexp(-1))
    return torch.cat(outs), torch.cat(log_sums, dim=1)


def _seen(n_queries: int, n_keys: int, causal: bool, window: int | None, device: torch.device) -> Tensor:
    """(queries, keys) bool; the last query stands at the last key."""
    place = torch.arange(n_keys - n_queries, n_keys, device=device)[:, None]
    key = torch.arange(n_keys, device=device)
    seen = key <= place if causal else torch.ones_like(key <= place)
    return seen if window is None else seen & (key > place - window)
