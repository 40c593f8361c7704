"""Retrieve and rerank (paper 6): a cheap model proposes items, the language model orders them."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.generation import text_logprobs
from calrec_recbole.training.micro_batches.batches import micro_batches
from calrec_recbole.two_tower import collate_sequences, collate_targets, encode_sequences, encode_targets

__all__ = ["candidates", "combine", "item_vectors", "log_softmax", "scaled", "target_logprobs", "user_vectors"]

TOKENS_AT_ONCE = 16384
CALL_COST = 100  # tokens, as TrainingSettings.micro_batch_cost


def candidates(scores: NDArray[np.float64], wanted: int) -> NDArray[np.bool_]:
    """(B, n_items) scores -> (B, n_items): each row's ``wanted`` best items, and all that tie with the last of them.

    >>> candidates(np.array([[3.0, 1.0, 2.0, 2.0]]), 2).tolist()
    [[True, False, True, True]]
    """
    if wanted < 1:
        raise ConfigError(f"rerank_candidates={wanted} must be at least 1")
    if np.isnan(scores).any():
        raise ScoreError("the scores of the first stage hold NaN: no candidates can be chosen")
    last = max(0, scores.shape[1] - wanted)
    return np.asarray(scores >= np.partition(scores, last, axis=1)[:, last, None])


def log_softmax(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each row's log-probabilities among the ``chosen`` items, -inf elsewhere; both (B, n_items)."""
    kept = np.where(chosen, values, -np.inf)
    kept = kept - kept.max(axis=1, keepdims=True)
    return np.asarray(kept - np.log(np.exp(kept).sum(axis=1, keepdims=True)))


def scaled(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each row linearly to [0, 1] over the ``chosen`` items, -inf elsewhere; a constant row to zeros."""
    low = np.where(chosen, values, np.inf).min(axis=1, keepdims=True)
    width = np.where(chosen, values, -np.inf).max(axis=1, keepdims=True) - low
    return np.where(chosen, (values - low) / np.where(width > 0, width, 1.0), -np.inf)


def combine(
    first: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    own: NDArray[np.float64],
    others: NDArray[np.float64],
    weight: float,
) -> NDArray[np.float64]:
    """(1 - weight) own + weight others for the ``chosen`` items; the rest follow below, in the order of ``first``.

    All (B, n_items); ``own`` and ``others`` are read where ``chosen`` holds. ``first`` are the first stage's scores.

    >>> first, chosen = np.array([[5.0, 4.0, 3.0, 1.0]]), np.array([[True, True, False, False]])
    >>> combine(first, chosen, np.array([[-2.0, -1.0, 0, 0]]), np.array([[-0.5, -1.5, 0, 0]]), 0.25).tolist()
    [[-1.625, -1.125, -2.625, -4.625]]
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"rerank_weight={weight} must lie between 0 (the language model) and 1 (the first stage)")
    mixed = (1 - weight) * np.where(chosen, own, 0) + weight * np.where(chosen, others, 0)
    lowest = np.where(chosen, mixed, np.inf).min(axis=1, keepdims=True)
    highest = np.where(chosen, -np.inf, first).max(axis=1, keepdims=True)
    behind = first - np.where(np.isfinite(highest), highest, 0) + lowest - 1
    return np.where(chosen, mixed, behind)


def target_logprobs(
    backbone: Backbone,
    items: ItemTokens,
    histories: Sequence[Sequence[int]],
    chosen: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """log P(item's text and end | history) of the ``chosen`` items (B, n_items), nats; 0 elsewhere.

    The history is read once for all of them, equal texts and equal beginnings are read once.
    """
    places = [np.flatnonzero(row) for row in chosen]
    texts = [[items.items[item].tolist() for item in own] for own in places]
    prompts = [items.prompt(history).tolist() for history in histories]
    found = np.zeros(chosen.shape)
    for row, (own, nats) in enumerate(zip(places, text_logprobs(backbone.model, prompts, texts), strict=True)):
        found[row, own] = nats
    return found


@torch.no_grad()
def item_vectors(backbone: Backbone, items: ItemTokens) -> tuple[Tensor, Tensor]:
    """v^T of Fig. 1 of every distinct text, of length 1, (n_texts, D) float32, and the text of each item (n_items,).

    Scores are to be taken of texts and then scattered: a product over equal columns may differ in its last bit.
    """
    first: dict[bytes, int] = {}
    for item, tokens in enumerate(items.items):
        first.setdefault(tokens.tobytes(), item)
    number = {text: place for place, text in enumerate(first)}
    alone = [_unlabelled(items.items[item], 0) for item in first.values()]

    def encoded(examples: list[Example]) -> Tensor:
        return encode_targets(backbone.trunk, collate_targets(examples, items.start, backbone.model.device))

    place = torch.tensor([number[tokens.tobytes()] for tokens in items.items])
    return _in_pieces(backbone, alone, encoded), place


@torch.no_grad()
def user_vectors(backbone: Backbone, items: ItemTokens, histories: Sequence[Sequence[int]]) -> Tensor:
    """v^U of Fig. 1 after each of B ``histories``, of length 1 -> (B, D) float32."""
    prompts = [items.prompt(history) for history in histories]

    def encoded(examples: list[Example]) -> Tensor:
        return encode_sequences(backbone.trunk, collate_sequences(examples, backbone.model.device)).user

    return _in_pieces(backbone, [_unlabelled(prompt, len(prompt)) for prompt in prompts], encoded)


def _unlabelled(tokens: NDArray[np.int64], prompt_length: int) -> Example:
    return Example(tokens, prompt_length, np.full(len(tokens), IGNORED, np.int64))


def _in_pieces(backbone: Backbone, examples: list[Example], encode: Callable[[list[Example]], Tensor]) -> Tensor:
    """``encode`` on pieces of like length -> (len(examples), D) float32 on the CPU, of length 1."""
    backbone.model.eval()
    pieces = micro_batches([len(example.tokens) for example in examples], TOKENS_AT_ONCE, CALL_COST)
    found = torch.cat([encode([examples[row] for row in piece]).float().cpu() for piece in pieces])
    order = torch.tensor([row for piece in pieces for row in piece]).argsort()
    return torch.nn.functional.normalize(found, dim=-1)[order]
