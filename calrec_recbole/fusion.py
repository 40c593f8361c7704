"""Algorithm 1: the predictions of one user, each with the scores of all items, become one score an item."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calrec_recbole.errors import ConfigError, ScoreError, must_be_one_of

__all__ = [
    "EPSILON",
    "N_PREDS",
    "POOLINGS",
    "FusingRetriever",
    "RankCounts",
    "Retriever",
    "fuse",
    "fuse_rank_counts",
    "quasi_round_robin",
    "scale_rows",
    "unique_predictions",
]

N_PREDS = 10  # paper 4
EPSILON = 1 / 5000  # paper 4
POOLINGS: dict[str, Callable[..., Any]] = {"max": np.max, "mean": np.mean, "min": np.min}  # paper: max; footnote 3

USERS_AT_ONCE = 64  # bounds the scores held at a time to 640 rows


class Retriever(Protocol):
    """Anything that scores all items for query texts, such as the engines of ``calrec_recbole.retrieval``."""

    def scores(self, queries: Sequence[str]) -> NDArray[Any]:
        """(n_queries, n_items), higher is better."""


@runtime_checkable
class FusingRetriever(Retriever, Protocol):
    """A retriever that fuses a user's queries itself (maximum pooling only): bit-equal to ``fuse``, and faster.

    Both methods are needed: ``fuse`` takes a retriever with one of them for a plain one.
    """

    def fused(
        self, texts: Sequence[Sequence[str]], logprobs: Sequence[NDArray[np.float64]], epsilon: float
    ) -> NDArray[np.float64]:
        """``fuse`` -> (n_users, n_items)."""

    def rank_counts(
        self,
        texts: Sequence[Sequence[str]],
        logprobs: Sequence[NDArray[np.float64]],
        epsilon: float,
        items: NDArray[np.int64],
    ) -> "RankCounts":
        """``fuse_rank_counts``."""


class RankCounts(NamedTuple):
    """For M items of each user, all (n_users, M): the score, and how many items score strictly higher and the same.

    An item scores as much as itself.
    """

    scores: NDArray[np.float64]
    greater: NDArray[np.int64]
    equal: NDArray[np.int64]


def unique_predictions(
    texts: Sequence[str], logprobs: Sequence[float] | NDArray[Any], n_preds: int = N_PREDS
) -> tuple[list[str], NDArray[np.float64]]:
    """Lines 1-4: the ``n_preds`` most probable distinct texts, best first, with their log-probabilities (nats).

    Of equal texts the highest log-probability stays; equal log-probabilities go by text, so the order of the samples
    does not matter. Raises ``ScoreError`` for log-probabilities that are not finite or not one a text.

    >>> unique_predictions(["b", "a", "b", "c"], [-3.0, -2.0, -1.0, -9.0], 2)
    (['b', 'a'], array([-1., -2.]))
    """
    if n_preds < 1:
        raise ConfigError(f"n_preds is {n_preds}: it must be 1 or more (paper: {N_PREDS})")
    values = _finite(logprobs, (len(texts),), "logprobs").tolist()
    best: dict[str, float] = {}
    for negative, text in sorted(zip([-value for value in values], texts, strict=True)):
        best.setdefault(text, -negative)
    return list(best)[:n_preds], np.array(list(best.values())[:n_preds], np.float64)


def scale_rows(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Line 8: each row of (n_preds, n_items) linearly to [0, 1]; a constant row, which says nothing, to zeros."""
    if not scores.size:
        return scores
    low = scores.min(axis=1, keepdims=True)
    width = scores.max(axis=1, keepdims=True) - low
    scaled: NDArray[np.float64] = (scores - low) / np.where(width > 0, width, 1.0)
    return scaled


def quasi_round_robin(
    scores: ArrayLike, logprobs: ArrayLike, epsilon: float = EPSILON, pooling: str = "max"
) -> NDArray[np.float64]:
    """Lines 5-11: max over predictions i of exp(epsilon logprob_i) * scaled scores_i -> (n_items,) float64.

    Footnote 3's variants: ``pooling`` "mean" or "min" over the predictions, epsilon = 0 for no modulation.

    ``scores`` (n_preds, n_items) holds a row a prediction (the paper's matrix, transposed), ``logprobs`` (n_preds,)
    nats. All in float64: in float32 the factors of two predictions are mostly equal at epsilon = 1/5000. No prediction
    at all gives zeros, a full tie. Raises ``ScoreError`` for values that are not finite and for shapes that do not fit.

    Two predictions, three items: the rows scale to [1, 0, 0.5] and [0, 1, 1], the factors are exp(-0.1) and exp(-0.2).

    >>> quasi_round_robin([[4.0, 0.0, 2.0], [1.0, 3.0, 3.0]], [-1.0, -2.0], epsilon=0.1).round(4).tolist()
    [0.9048, 0.8187, 0.8187]
    """
    _check_epsilon(epsilon)
    must_be_one_of("pooling", pooling, POOLINGS, " (paper: max)")
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2:
        raise ScoreError(f"scores have shape {scores.shape}: they must be (n_preds, n_items), a row a prediction")
    factors = np.exp(epsilon * _finite(logprobs, scores.shape[:1], "logprobs"))
    modulated = factors[:, None] * scale_rows(_finite(scores, scores.shape, "scores"))
    return np.asarray(POOLINGS[pooling](modulated, axis=0)) if len(modulated) else np.zeros(scores.shape[1])


def _check_epsilon(epsilon: float) -> None:
    """Raises ``ConfigError`` unless ``epsilon`` is finite and not negative."""
    if not (isfinite(epsilon) and epsilon >= 0):
        raise ConfigError(f"epsilon is {epsilon}: it must be 0 or more (paper: {EPSILON})")


def fuse(
    retriever: Retriever,
    predictions: Sequence[Sequence[tuple[str, float]]],
    n_preds: int = N_PREDS,
    epsilon: float = EPSILON,
    pooling: str = "max",
) -> NDArray[np.float64]:
    """Algorithm 1 for many users: each one's (text, log-probability) samples -> (n_users, n_items) float64.

    ``retriever`` scores each distinct text of up to 64 users once. A user without samples gets zeros, a full tie.
    """
    users = _drawn(predictions, n_preds)
    if isinstance(retriever, FusingRetriever) and pooling == "max":
        _check_epsilon(epsilon)
        return retriever.fused([texts for texts, _ in users], [logprobs for _, logprobs in users], epsilon)
    blocks = [
        _fuse_block(retriever, users[start : start + USERS_AT_ONCE], epsilon, pooling)
        for start in range(0, max(len(users), 1), USERS_AT_ONCE)
    ]
    return np.concatenate(blocks)


def fuse_rank_counts(
    retriever: FusingRetriever,
    predictions: Sequence[Sequence[tuple[str, float]]],
    items: NDArray[np.int64],
    n_preds: int = N_PREDS,
    epsilon: float = EPSILON,
) -> RankCounts:
    """Where ``items`` (n_users, M) of each user stand among all by the scores of ``fuse``, without their matrix.

    Maximum pooling alone.
    """
    _check_epsilon(epsilon)
    users = _drawn(predictions, n_preds)
    return retriever.rank_counts([texts for texts, _ in users], [logprobs for _, logprobs in users], epsilon, items)


def _drawn(
    predictions: Sequence[Sequence[tuple[str, float]]], n_preds: int
) -> list[tuple[list[str], NDArray[np.float64]]]:
    return [
        unique_predictions([text for text, _ in samples], [logprob for _, logprob in samples], n_preds)
        for samples in predictions
    ]


def _fuse_block(
    retriever: Retriever, users: Sequence[tuple[list[str], NDArray[np.float64]]], epsilon: float, pooling: str
) -> NDArray[np.float64]:
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for texts, _ in users for text in texts))}
    scores = retriever.scores(list(rows))
    fused = np.empty((len(users), scores.shape[1]), np.float64)
    for user, (texts, logprobs) in enumerate(users):
        fused[user] = quasi_round_robin(scores[[rows[text] for text in texts]], logprobs, epsilon, pooling)
    return fused


def _finite(values: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """``values`` as a float64 array of ``shape``, all finite."""
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise ScoreError(f"{name} have shape {array.shape}, expected {shape}: one value a prediction")
    if not np.isfinite(array).all():
        raise ScoreError(f"{name} hold {array[~np.isfinite(array)][0]}: every value must be finite")
    return array
