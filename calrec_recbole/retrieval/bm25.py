"""What the BM25 engines share: checked parameters, and each distinct query scored once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import ConfigError

__all__ = ["BM25", "K1", "B"]

K1 = 1.5  # paper 4
B = 0.75  # paper 4


class BM25(ABC):
    """BM25 scores of all items for query texts. Items of equal text are items of their own, with bit-equal scores."""

    def __init__(self, texts: Sequence[str], k1: float = K1, b: float = B) -> None:
        """``texts`` holds one text an item. Raises ``ConfigError`` unless k1 >= 0 and 0 <= b <= 1."""
        if isinstance(texts, str):
            raise ConfigError("texts is one string: pass a list with one text an item")
        if not (isfinite(k1) and k1 >= 0):
            raise ConfigError(f"bm25_k1 is {k1}: it must be 0 or more (paper: {K1})")
        if not 0 <= b <= 1:
            raise ConfigError(f"bm25_b is {b}: it must lie between 0 and 1 (paper: {B})")
        self.k1, self.b = k1, b

    def scores(self, queries: Sequence[str]) -> NDArray[Any]:
        """(n_queries, n_items) scores, higher is better; a query of no known term gives zeros, a full tie."""
        if isinstance(queries, str):
            raise ConfigError("queries is one string: pass a list of query texts")
        rows = {query: row for row, query in enumerate(dict.fromkeys(queries))}
        scores = self._score(list(rows))
        if len(rows) == len(queries):
            return scores
        return scores[np.fromiter((rows[query] for query in queries), np.int64, len(queries))]

    @abstractmethod
    def _score(self, queries: Sequence[str]) -> NDArray[Any]:
        """(n_queries, n_items) scores of distinct ``queries``."""
