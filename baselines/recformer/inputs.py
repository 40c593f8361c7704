"""What Recformer reads (Li et al., KDD 2023, 3.1, 3.2.1): items as flattened key-value pairs, the newest item first.

https://arxiv.org/abs/2305.13731
"""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["CLS", "KEY", "PAD", "VALUE", "FlatItem", "FlatSequence", "Tokens", "collate", "flatten", "tokenise_item"]

CLS, KEY, VALUE, PAD = range(4)  # token types
SPACE = "Ġ"  # how byte-level BPE writes it
PUNCTUATION = frozenset(string.punctuation)


class FlatItem(NamedTuple):
    """One item: token ids, their types (``KEY`` or ``VALUE``), and whether each begins a word."""

    tokens: tuple[int, ...]
    types: tuple[int, ...]
    begins: tuple[bool, ...]


class FlatSequence(NamedTuple):
    """A history: token ids, types, item positions (0 the first token, 1 the newest item) and words (-1 the first)."""

    tokens: list[int]
    types: list[int]
    items: list[int]
    words: list[int]


@dataclass(frozen=True)
class Tokens:
    """A padded batch, every tensor (B, T) int64; ``mask`` is 1 for tokens, 0 for pads."""

    ids: Tensor
    types: Tensor
    items: Tensor
    mask: Tensor


def tokenise_item(attributes: Mapping[str, str], tokenizer: Any, limit: int) -> FlatItem:
    """Name and value of every attribute, in order, each pair cut at ``limit`` tokens, its name included.

    Names and values are tokenised apart, with no space before them, as the authors do. A value that is missing leaves
    its name alone. A word begins with a space or is a punctuation mark, and goes on until the next one begins, as the
    authors have it: a value's first piece belongs to the word of its name.
    """
    tokens: list[int] = []
    types: list[int] = []
    begins: list[bool] = []
    for name, value in attributes.items():
        pair = [(KEY, *token) for token in _pieces(name, tokenizer)]
        pair += [(VALUE, *token) for token in _pieces(value, tokenizer)]
        for kind, token, starts in pair[:limit]:
            tokens.append(token)
            types.append(kind)
            begins.append(starts)
    return FlatItem(tuple(tokens), tuple(types), tuple(begins))


def _pieces(text: str, tokenizer: Any) -> Iterable[tuple[int, bool]]:
    """Each token of ``text`` and whether it begins a word."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    return zip(ids, [piece.startswith(SPACE) or piece in PUNCTUATION for piece in pieces], strict=True)


def flatten(history: Sequence[FlatItem], start: int, max_items: int, max_tokens: int) -> FlatSequence:
    """The token ``start``, then the newest ``max_items`` of ``history`` (oldest first), newest first.

    Cut at ``max_tokens`` tokens, in the midst of an item where it falls there, as the authors do.
    """
    flat = FlatSequence([start], [CLS], [0], [-1])
    for position, item in enumerate(reversed(history[-max_items:]), 1):
        flat.tokens.extend(item.tokens)
        flat.types.extend(item.types)
        flat.items.extend([position] * len(item.tokens))
        flat.words.extend(_numbered(item.begins, flat.words[-1]))
        if len(flat.tokens) >= max_tokens:
            break
    return FlatSequence(*(part[:max_tokens] for part in flat))


def _numbered(begins: Sequence[bool], last: int) -> Iterable[int]:
    """The numbers of words of an item's tokens, after the word ``last``; the first of all is 0."""
    for starts in begins:
        last = max(0, last + starts)
        yield last


def collate(sequences: Sequence[FlatSequence], pad: int, last_position: int, multiple: int, device: Any) -> Tokens:
    """Pads on the right to the longest of ``sequences``, rounded up to ``multiple``, the attention window.

    Pads carry the type ``PAD`` and the item position ``last_position``, as the authors', and are never attended to.
    """
    longest = max(len(sequence.tokens) for sequence in sequences)
    width = -(-longest // multiple) * multiple

    def padded(rows: Iterable[list[int]], value: int) -> Tensor:
        return torch.tensor([row + [value] * (width - len(row)) for row in rows], device=device)

    return Tokens(
        ids=padded((sequence.tokens for sequence in sequences), pad),
        types=padded((sequence.types for sequence in sequences), PAD),
        items=padded((sequence.items for sequence in sequences), last_position),
        mask=padded(([1] * len(sequence.tokens) for sequence in sequences), 0),
    )
