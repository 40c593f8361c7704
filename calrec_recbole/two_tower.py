"""Fig. 1: one pass over the whole sequence and one over the target alone; mean-pooled features of both."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.examples import IGNORED, Example

__all__ = ["Batch", "Towers", "collate", "encode", "masked_mean"]


class Batch(NamedTuple):
    """B sequences, padded on the right: T tokens for the whole sequence, S for the target alone."""

    tokens: Tensor  # (B, T) int64
    mask: Tensor  # (B, T) bool
    labels: Tensor  # (B, T) int64, IGNORED where nothing is predicted
    prompt_length: Tensor  # (B,) int64
    target: Tensor  # (B, S) int64, with the tokenizer's start token where it has one
    target_mask: Tensor  # (B, S) bool
    start_length: int  # start tokens before the target, not pooled

    def to(self, device: torch.device) -> "Batch":
        moved = {name: part.to(device) for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**moved)


class Towers(NamedTuple):
    """What the losses need; D is the backbone's hidden size, N the number of predicted tokens in the batch."""

    user: Tensor  # (B, D) v^U: mean over the prompt's tokens, the closing prefix included
    target_in_context: Tensor  # (B, D) v^TU: mean over the target's tokens in the whole sequence
    target_alone: Tensor  # (B, D) v^T: mean over the target's tokens in a pass that sees nothing else
    hidden: Tensor  # (N, D) hidden states that predict a label
    labels: Tensor  # (N,) int64
    rows: Tensor  # (N,) int64: the sequence of each prediction


def collate(examples: Sequence[Example], start: np.ndarray) -> Batch:
    """Pads ``examples`` to their longest; ``start`` (0 or 1 token) goes before the target alone.

    Pad places hold token 0.
    """
    targets = [np.concatenate([start, example.target]) for example in examples]
    tokens, mask = _pad([example.tokens for example in examples], 0)
    target, target_mask = _pad(targets, 0)
    labels, _ = _pad([example.labels for example in examples], IGNORED)
    prompts = torch.tensor([example.prompt_length for example in examples])
    return Batch(tokens, mask, labels, prompts, target, target_mask, len(start))


def _pad(rows: Sequence[np.ndarray], value: int) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.full(mask.shape, value, dtype=torch.int64)
    padded[mask] = torch.from_numpy(np.concatenate(rows))
    return padded, mask


def encode(trunk: Any, batch: Batch, *, contrast: bool = True) -> Towers:
    """Runs ``trunk`` (a transformers decoder without its head) over both towers.

    Hidden states are taken after the final norm (``last_hidden_state``). Without ``contrast`` the pass over the
    target alone is left out and the pooled features are empty (0, D).
    """
    hidden = _last_hidden_state(trunk, batch.tokens)
    predicts = batch.labels != IGNORED
    rows = predicts.nonzero()[:, 0]
    at_labels = hidden[predicts]  # (B, T, D) -> (N, D)
    if not contrast:
        nothing = hidden.new_zeros(0, hidden.shape[-1])
        return Towers(nothing, nothing, nothing, at_labels, batch.labels[predicts], rows)
    in_prompt = torch.arange(hidden.shape[1], device=hidden.device) < batch.prompt_length[:, None]
    alone = _last_hidden_state(trunk, batch.target)
    pooled = batch.target_mask.clone()
    pooled[:, : batch.start_length] = False
    return Towers(
        masked_mean(hidden, in_prompt),
        masked_mean(hidden, batch.mask & ~in_prompt),
        masked_mean(alone, pooled),
        at_labels,
        batch.labels[predicts],
        rows,
    )


def _last_hidden_state(trunk: Any, tokens: Tensor) -> Tensor:
    """No attention mask: under causal attention the pads on the right reach no place that is read."""
    return trunk(input_ids=tokens, use_cache=False).last_hidden_state


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, T, D) ``hidden`` over the places where (B, T) ``mask`` holds -> (B, D) float32."""
    weight = mask.float()
    return torch.einsum("btd,bt->bd", hidden.float(), weight) / weight.sum(1, keepdim=True)
