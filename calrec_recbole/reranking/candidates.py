"""Retrieve and rerank (paper 6): a cheap model proposes items, the language model orders them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.examples import ItemTokens
from calrec_recbole.generation import text_logprobs

__all__ = ["candidates", "combine", "log_softmax", "scaled", "target_logprobs"]


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
