"""Fig. 1: a pass over the whole sequence, a pass over the target alone, and mean-pooled features of both.

Where the tokenizer puts a start token before a text, v^U pools it with the rest of the prompt; v^TU and v^T are means
over the target's own tokens. The paper does not say; with SmolLM2 and from scratch there is none.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.examples import IGNORED, Example

__all__ = [
    "SequenceBatch",
    "SequenceTower",
    "TargetBatch",
    "collate_sequences",
    "collate_targets",
    "encode_sequences",
    "encode_targets",
    "joined",
    "masked_mean",
]


class SequenceBatch(NamedTuple):
    """B histories with their targets, padded on the right to T tokens."""

    tokens: Tensor  # (B, T) int64
    mask: Tensor  # (B, T) bool, False on pads
    labels: Tensor  # (B, T) int64, IGNORED where nothing is predicted
    prompt_length: Tensor  # (B,) int64


class TargetBatch(NamedTuple):
    """B targets alone, padded on the right to S tokens, after the tokenizer's start token where it has one."""

    tokens: Tensor  # (B, S) int64
    pooled: Tensor  # (B, S) bool, True on the target's own tokens


class SequenceTower(NamedTuple):
    """What the pass over whole sequences gives; D is the backbone's hidden size, N the number of predicted tokens."""

    user: Tensor  # (B, D) v^U: mean over the prompt's tokens, the closing prefix included
    target_in_context: Tensor  # (B, D) v^TU: mean over the target's tokens
    hidden: Tensor  # (N, D) hidden states that predict a label
    labels: Tensor  # (N,) int64
    rows: Tensor  # (N,) int64: the sequence of each prediction


def collate_sequences(examples: Sequence[Example], device: torch.device | None = None) -> SequenceBatch:
    """Pads ``examples`` to their longest; pad places hold token 0."""
    tokens, mask = _pad([example.tokens for example in examples], 0)
    labels, _ = _pad([example.labels for example in examples], IGNORED)
    prompts = torch.tensor([example.prompt_length for example in examples])
    return SequenceBatch(*(part.to(device) for part in (tokens, mask, labels, prompts)))


def collate_targets(examples: Sequence[Example], start: np.ndarray, device: torch.device | None = None) -> TargetBatch:
    """The targets of ``examples``, each after ``start`` (no or one token), padded to the longest."""
    tokens, mask = _pad([np.concatenate([start, example.target]) for example in examples], 0)
    mask[:, : len(start)] = False
    return TargetBatch(tokens.to(device), mask.to(device))


def _pad(rows: Sequence[np.ndarray], value: int) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.full(mask.shape, value, dtype=torch.int64)
    padded[mask] = torch.from_numpy(np.concatenate(rows))
    return padded, mask


def encode_sequences(trunk: Any, batch: SequenceBatch) -> SequenceTower:
    """Runs ``trunk`` (a transformers decoder without its head); hidden states are those after its final norm."""
    hidden = _last_hidden_state(trunk, batch.tokens)
    predicts = batch.labels != IGNORED
    in_prompt = torch.arange(hidden.shape[1], device=hidden.device) < batch.prompt_length[:, None]
    return SequenceTower(
        masked_mean(hidden, in_prompt),
        masked_mean(hidden, batch.mask & ~in_prompt),
        hidden[predicts],  # (B, T, D) -> (N, D)
        batch.labels[predicts],
        predicts.nonzero()[:, 0],
    )


def joined(towers: Sequence[SequenceTower]) -> SequenceTower:
    """Several batches of sequences as one, their rows numbered on."""
    starts = np.cumsum([0, *(len(tower.user) for tower in towers)])
    rows = [tower.rows + int(start) for tower, start in zip(towers, starts, strict=False)]
    user, target_in_context, hidden, labels, _ = zip(*towers, strict=True)
    return SequenceTower(*(torch.cat(part) for part in (user, target_in_context, hidden, labels, rows)))


def encode_targets(trunk: Any, batch: TargetBatch) -> Tensor:
    """(B, D) v^T: mean over the target's tokens in a pass that sees nothing else."""
    return masked_mean(_last_hidden_state(trunk, batch.tokens), batch.pooled)


def _last_hidden_state(trunk: Any, tokens: Tensor) -> Tensor:
    """No attention mask: under causal attention the pads on the right reach no place that is read."""
    hidden: Tensor = trunk(input_ids=tokens, use_cache=False).last_hidden_state
    return hidden


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, T, D) ``hidden`` over the places where (B, T) ``mask`` holds -> (B, D).

    In float32 also under autocast.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        weight = mask.float()
        return torch.einsum("btd,bt->bd", hidden.float(), weight) / weight.sum(1, keepdim=True)
