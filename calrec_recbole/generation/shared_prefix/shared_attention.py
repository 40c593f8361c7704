"""Attention of rows over their user's one prompt and over their own suffix, put into a `transformers` model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from calrec_recbole.errors import BackboneError
from calrec_recbole.generation.shared_prefix.attention import attend, merge
from calrec_recbole.generation.shared_prefix.key_values import LayerMemory
from calrec_recbole.generation.shared_prefix.packing import Layout

NAME = "calrec_shared_prompt"
UNSUPPORTED = ("softcap", "s_aux", "position_bias")  # what some layers ask of their attention and this one lacks


def shared_prompt_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: LayerMemory,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """An attention function of `transformers`: (1, heads, N, D) queries of packed tokens -> (1, N, heads, D).

    ``key`` is what `Memory.update` returned. ``sliding_window``: a token sees itself and window - 1 tokens before it.
    """
    asked = [name for name in UNSUPPORTED if options.get(name) is not None]
    if asked:
        raise BackboneError(
            f"{type(module).__name__} asks for {asked[0]}, which sampling lacks; choose another backbone"
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    packed = query[0].transpose(0, 1)  # (1, heads, N, D) -> (N, heads, D)
    read = _read_prompts if key.owner.step < 0 else _read_rows
    return read(packed, key, scaling, sliding_window)[None], None


def _read_prompts(query: Tensor, layer: LayerMemory, scaling: float, window: int | None) -> Tensor:
    """Causal attention inside each prompt: (N, heads, D) -> (N, heads, D)."""
    layout = layer.owner.layout
    padded = layout.spread(query).transpose(1, 2)  # (U, heads, P, D)
    group = padded.shape[1] // layer.keys.shape[1]
    mask = None
    if window is not None and window < layout.width:
        ones = torch.ones(layout.width, layout.width, dtype=torch.bool, device=query.device)
        mask = ones.tril() & ones.triu(1 - window)
    keys, values = (states.repeat_interleave(group, 1) for states in (layer.keys, layer.values))
    out = torch.nn.functional.scaled_dot_product_attention(
        padded, keys, values, attn_mask=mask, is_causal=mask is None, scale=scaling
    )
    return layout.pack(out.transpose(1, 2))


def _read_rows(query: Tensor, layer: LayerMemory, scaling: float, window: int | None) -> Tensor:
    """The next token of each row, or its span, over prompt and suffix: (N, heads, D) -> (N, heads, D)."""
    grouped = query.unflatten(1, (layer.keys.shape[1], -1))  # (N, H, G, D): G query heads share one of H key heads
    owner, group = layer.owner, grouped.shape[2]
    keys, values = layer.suffix(window)
    mask = owner.prompt_mask(window, query.dtype, group)
    prompt, prompt_log_sum = _attend_shared(grouped, owner.layout, layer.keys, layer.values, scaling, mask)
    if owner.spans is None:
        suffix, suffix_log_sum = attend(grouped, keys, values, scaling)
    else:
        mask = owner.spans.mask(window, query.dtype, group)
        suffix, suffix_log_sum = _attend_shared(grouped, owner.spans.layout, keys, values, scaling, mask)
    return merge(prompt, prompt_log_sum, suffix, suffix_log_sum).flatten(1, 2)


def _attend_shared(
    query: Tensor, layout: Layout, keys: Tensor, values: Tensor, scaling: float, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens over the keys that their group shares: (N, H, G, D) -> (N, H, G, D) and log-sums (N, H, G).

    ``keys`` and ``values``: (groups, H, K, D); ``mask``: additive, broadcast to (groups, H, P * G, K).
    """
    folded = layout.spread(query).transpose(1, 2).flatten(2, 3)  # (groups, P, H, G, D) -> (groups, H, P * G, D)
    out, log_sum = attend(folded, keys, values, scaling, mask)
    places = (states.unflatten(2, (-1, query.shape[2])).transpose(1, 2) for states in (out, log_sum))
    packed, packed_log_sum = (layout.pack(states) for states in places)  # (groups, P, H, G, ...) -> (N, H, G, ...)
    return packed, packed_log_sum


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """The model in evaluation mode; set back at the end, also after an error."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextmanager
def sharing_prompts(model: PreTrainedModel) -> Iterator[None]:
    """The model with `shared_prompt_attention`; set back at the end, also after an error. Raises BackboneError."""
    if not model._can_set_attn_implementation():  # asked first: setting it would warn in many words, and go on
        raise BackboneError(f"the attention of {type(model).__name__} cannot be replaced; choose another backbone")
    ALL_ATTENTION_FUNCTIONS.register(NAME, shared_prompt_attention)
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
        if model.config._attn_implementation != NAME:
            raise BackboneError(f"the attention of {type(model).__name__} cannot be replaced; choose another backbone")
        yield
    finally:
        model.set_attn_implementation(before)
