"""Causal attention inside each sequence of a packed row, put into a transformers model by its attention interface."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from calrec_recbole.attention.varlen import Segments, fused, varlen_attention
from calrec_recbole.errors import BackboneError
from calrec_recbole.training.micro_batches.batches import micro_batches

__all__ = ["Block", "attending_packed", "blocks_of"]

NAME = "calrec_packed"
UNSUPPORTED = ("softcap", "s_aux", "position_bias")  # what some layers ask of their attention and this one lacks
CALL_COST = 30  # tokens that one more block of sequences costs, where no kernel reads the row


class Block(NamedTuple):
    """Neighbours of like length, tokens ``start`` to ``stop`` of the row: ``sequences`` of at most ``width`` tokens."""

    start: int
    stop: int
    sequences: int
    width: int
    places: Tensor | None  # (stop - start,) int64, where each token stands among sequences * width; None without pads

    def spread(self, states: Tensor) -> Tensor:
        """The block's part of (N, H, D) -> (sequences, H, width, D), zeros on pads."""
        part = states[self.start : self.stop]
        if self.places is not None:
            pads = part.new_zeros(self.sequences * self.width, *part.shape[1:])
            part = pads.index_copy(0, self.places, part)
        padded: Tensor = part.unflatten(0, (self.sequences, self.width)).transpose(1, 2)
        return padded

    def gather(self, states: Tensor) -> Tensor:
        """(sequences, H, width, D) -> (stop - start, H, D), the inverse of ``spread``."""
        flat = states.transpose(1, 2).flatten(0, 1)
        return flat if self.places is None else flat.index_select(0, self.places)


def blocks_of(lengths: Sequence[int], device: torch.device) -> list[Block]:
    """A row of sequences of ``lengths`` tokens, the longest first, cut into blocks of like length."""
    starts = np.cumsum([0, *lengths])
    pieces = micro_batches(lengths, int(starts[-1]), CALL_COST)
    return [_block(lengths, starts.tolist(), piece[0], piece[-1] + 1, device) for piece in pieces]


def _block(lengths: Sequence[int], starts: Sequence[int], first: int, last: int, device: torch.device) -> Block:
    width, places = lengths[first], None
    if lengths[last - 1] < width:
        inside = np.arange(width) < np.array(lengths[first:last])[:, None]
        places = torch.from_numpy(np.flatnonzero(inside)).to(device)
    return Block(starts[first], starts[last], last - first, width, places)


class Row(Protocol):
    """A packed row, as its attention needs it."""

    segments: Segments

    @property
    def blocks(self) -> list[Block]: ...


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    packing: Row | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """An attention function of transformers: (1, heads, N, D) states of a packed row -> (1, N, heads, D)."""
    asked = [name for name in UNSUPPORTED if options.get(name) is not None]
    if asked or packing is None:
        lacking = f"asks for {asked[0]}" if asked else "hands no packing to its attention"
        raise BackboneError(f"{type(module).__name__} {lacking}: it cannot read packed rows")
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (_packed(part) for part in (query, key, value))
    if fused(q):
        row, window = packing.segments, sliding_window
        out, _ = varlen_attention(q, k, v, row, row, causal=True, scaling=scaling, window=window, dropout=dropout)
    else:
        out = _in_blocks((q, k, v), packing, scaling, sliding_window, dropout)
    return out.unsqueeze(0), None


def _packed(states: Tensor) -> Tensor:
    """(1, H, N, D) -> (N, H, D), in the precision of autocast where there is one."""
    device = states.device.type
    states = states.squeeze(0).transpose(0, 1)
    return states.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else states


# blocks are as many and as long as the batch has them: each batch would be compiled anew
@torch.compiler.disable  # type: ignore[untyped-decorator]
def _in_blocks(states: Sequence[Tensor], packing: Row, scaling: float, window: int | None, dropout: float) -> Tensor:
    """Attention of the whole row, block by block -> (N, H, D)."""
    return torch.cat([_in_block(states, block, scaling, window, dropout) for block in packing.blocks])


def _in_block(states: Sequence[Tensor], block: Block, scaling: float, window: int | None, dropout: float) -> Tensor:
    """Attention of the block's sequences -> (tokens, H, D)."""
    query, key, value = (block.spread(part) for part in states)
    group = query.shape[1] // key.shape[1]
    if group > 1:
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    if query.dtype != torch.float32 and query.device.type == "cpu":
        return block.gather(_in_steps(query, key, value, scaling, window, dropout))
    mask = None if window is None or window >= block.width else causal_mask(block.width, window, query.device)
    out = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, dropout_p=dropout
    )
    return block.gather(out)


def _in_steps(query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None, dropout: float) -> Tensor:
    """The same in plain operations: in half precision on a CPU torch's fused kernel takes three times as long."""
    scores = (query @ key.transpose(-1, -2)).float() * scaling
    scores = scores.masked_fill(~causal_mask(query.shape[2], window, query.device), -torch.inf)
    return F.dropout(F.softmax(scores, -1).to(value.dtype), dropout) @ value


def causal_mask(width: int, window: int | None, device: torch.device) -> Tensor:
    """(width, width) bool: a token sees itself and what stands before it, at most ``window`` tokens in all."""
    ones = torch.ones(width, width, dtype=torch.bool, device=device).tril()
    return ones if window is None else ones.triu(1 - window)


@contextmanager
def attending_packed(model: Any) -> Iterator[None]:
    """``model`` with ``packed_attention``; set back at the end, also after an error. Raises ``BackboneError``."""
    ALL_ATTENTION_FUNCTIONS.register(NAME, packed_attention)
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
        if model.config._attn_implementation != NAME:
            raise BackboneError(f"the attention of {type(model).__name__} cannot be replaced: it reads no packed rows")
        yield
    finally:
        model.set_attn_implementation(before)
