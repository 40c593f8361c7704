"""Attention of rows over their user's one prompt and over their own suffix."""

import torch
from torch import Tensor

from calrec_recbole.attention.merged_attention import attend, merge
from calrec_recbole.attention.varlen import varlen_attention
from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.pass_layout import Layout, Prompts, Spans

__all__ = ["shared_attention"]


def shared_attention(states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None) -> Tensor:
    """What a layer's tokens see: (N, heads, D) -> (N, heads, D). Their own keys and values are written already.

    ``window``: a token sees itself and window - 1 tokens before it.
    """
    if isinstance(states.read, Prompts):
        read = _packed_prompts if states.packed else _padded_prompts
    else:
        read = _packed_rows if states.packed else _padded_rows
    return read(states, layer, query, scaling, window)


def _packed_prompts(states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None) -> Tensor:
    """Causal attention inside each prompt, by the variable-length kernel."""
    assert isinstance(states.read, Prompts)
    keys, values = _parts(states.prompts_read(layer))
    segments = states.read.segments
    out, _ = varlen_attention(query, keys, values, segments, segments, causal=True, scaling=scaling, window=window)
    return out


def _packed_rows(states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None) -> Tensor:
    """The tokens of each row over prompt and suffix, by the variable-length kernel."""
    prompt_keys, prompt_values, keys, values = states.parts[layer]
    layout = states.layout
    suffix, suffix_log_sum = varlen_attention(
        query,
        keys,
        values,
        layout.of_rows,
        layout.suffixes,
        causal=True,
        scaling=scaling,
        window=window,
        used=layout.used,
    )
    if window is not None and window < states.longest + layout.suffixes.longest:
        prompt, log_sum = _over_prompts(states, layer, query, scaling, window)
        prompt_log_sum = log_sum.T
    else:
        prompt, prompt_log_sum = varlen_attention(
            query, prompt_keys, prompt_values, layout.of_users, layout.prompts,
            causal=False, scaling=scaling, used=layout.used_prompts,
        )  # fmt: skip
    return merge(prompt, suffix, (prompt_log_sum - suffix_log_sum).T)


def _padded_prompts(states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None) -> Tensor:
    """Causal attention inside each prompt, padded to the longest."""
    assert isinstance(states.read, Prompts)
    layout = states.read.layout
    padded = layout.spread(query).transpose(1, 2)  # (U, heads, P, D)
    keys, values = (part.transpose(1, 2) for part in _parts(states.prompts_read(layer)))
    group = padded.shape[1] // keys.shape[1]
    mask = None
    if window is not None and window < layout.width:
        ones = torch.ones(layout.width, layout.width, dtype=torch.bool, device=query.device)
        mask = ones.tril() & ones.triu(1 - window)
    keys, values = (part.repeat_interleave(group, 1) for part in (keys, values))
    out = torch.nn.functional.scaled_dot_product_attention(
        padded, keys, values, attn_mask=mask, is_causal=mask is None, scale=scaling
    )
    return layout.pack(out.transpose(1, 2))


def _padded_rows(states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None) -> Tensor:
    """The tokens of each row over prompt and suffix, all prompts padded to the longest."""
    assert isinstance(states.read, Spans)
    read = states.read
    prompt, prompt_log_sum = _over_prompts(states, layer, query, scaling, window)
    start = max(0, read.size.stop - window) if window is not None and read.size.level else 0
    suffixes = states.suffixes[layer][: len(read.slots), start : read.size.stop]
    mask = read.mask(window, query.dtype, _group(query, suffixes))
    suffix, suffix_log_sum = _over_groups(query, read.by_slot, suffixes, scaling, mask)
    return merge(prompt, suffix, prompt_log_sum - suffix_log_sum)


def _over_prompts(
    states: KeyValues, layer: int, query: Tensor, scaling: float, window: int | None
) -> tuple[Tensor, Tensor]:
    """Tokens over their user's padded prompt: (N, heads, D) -> (N, heads, D) and log-sums (N, heads)."""
    assert isinstance(states.read, Spans)
    prompts = states.padded_prompts(layer)
    mask = states.prompt_mask(window, query.dtype, _group(query, prompts))
    return _over_groups(query, states.read.by_user, prompts, scaling, mask)


def _over_groups(
    query: Tensor, layout: Layout, states: Tensor, scaling: float, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Tokens over the keys that their group shares: (N, heads, D) -> (N, heads, D) and log-sums (N, heads).

    ``states``: (groups, K, 2 H, D); ``mask``: additive, broadcast to (groups, H, P * G, K), for G query heads a key
    head.
    """
    keys, values = (part.transpose(1, 2) for part in _parts(states))
    heads = keys.shape[1]
    grouped = layout.spread(query).unflatten(2, (heads, -1))  # (groups, P, H, G, D)
    folded = grouped.transpose(1, 2).flatten(2, 3)  # (groups, H, P * G, D)
    out, log_sum = attend(folded, keys, values, scaling, mask)
    places = (part.unflatten(2, (-1, grouped.shape[3])).transpose(1, 2) for part in (out, log_sum))
    packed, packed_log_sum = (
        layout.pack(part).flatten(1, 2) for part in places
    )  # (groups, P, H, G, ..) -> (N, HG, ..)
    return packed, packed_log_sum


def _parts(states: Tensor) -> tuple[Tensor, Tensor]:
    """(.., 2 H, D) -> keys and values (.., H, D)."""
    keys, values = states.chunk(2, -2)
    return keys, values


def _group(query: Tensor, states: Tensor) -> int:
    """How many query heads share a key head."""
    return 2 * query.shape[1] // states.shape[-2]
