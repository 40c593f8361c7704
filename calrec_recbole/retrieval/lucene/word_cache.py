"""Texts to numbers of terms, where each word between two spaces is analysed once."""

from collections.abc import Callable, Sequence
from itertools import chain
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.retrieval.postings import Postings, flatten, index_numbers

__all__ = ["Lexicon"]

TEXTS_AT_ONCE = 2048  # bounds the words in memory
MOST_WORDS = 1_000_000  # kept; beyond them all are forgotten and analysed anew


class Lexicon:
    """What ``analyze`` makes of texts, word by word.

    That is what it makes of whole texts if no term crosses a space and none depends on the words around it, as with
    Lucene's English analyzer: Unicode's word borders always part at a space (UAX 29, WB999), and its filters look at
    one term at a time.
    """

    def __init__(self, analyze: Callable[[Sequence[str]], list[list[str]]]) -> None:
        self.analyze = analyze
        self.vocabulary: dict[str, int] = {}
        self._lock = Lock()  # threads may ask at once, and asking takes in words
        self._forget()

    def index(self, texts: Sequence[str]) -> Postings:
        """The inverted index of ``texts``, whose terms become the vocabulary."""
        starts, terms = self._numbered(texts, learn=True)
        return index_numbers(starts, terms, self.vocabulary)

    def terms(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n_texts + 1,) starts, and each text's terms of the vocabulary by number, in order and with repeats."""
        return self._numbered(texts, learn=False)

    def _forget(self) -> None:
        self._words: dict[str, int] = {}
        self._starts, self._terms = np.zeros(1, np.int64), np.zeros(0, np.int64)  # of each word's terms

    def _numbered(self, texts: Sequence[str], learn: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        with self._lock:
            parts = range(0, len(texts), TEXTS_AT_ONCE)
            blocks = [self._block(texts[start : start + TEXTS_AT_ONCE], learn) for start in parts]
        counts = [np.diff(starts) for starts, _ in blocks]
        terms = [np.zeros(0, np.int64), *(own for _, own in blocks)]
        return np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]))]), np.concatenate(terms)

    def _block(self, texts: Sequence[str], learn: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if len(self._words) > MOST_WORDS:
            self._forget()
        parted = [text.split(" ") for text in texts]
        words = list(chain.from_iterable(parted))
        try:
            places = self._places(words)
        except KeyError:
            self._take_in([word for word in dict.fromkeys(words) if word not in self._words], learn)
            places = self._places(words)
        starts = np.cumsum([0, *map(len, parted)])
        counts = np.diff(self._starts)[places]
        ends = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(ends[-1]) - np.repeat(ends[:-1], counts)
        return ends[starts], self._terms[np.repeat(self._starts[places], counts) + within]

    def _places(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The numbers of ``words``; ``KeyError`` where one is new."""
        return np.fromiter(map(self._words.__getitem__, words), np.int64, len(words))

    def _take_in(self, words: Sequence[str], learn: bool) -> None:
        analysed = self.analyze(words)
        if learn:
            for terms in analysed:
                for term in terms:
                    self.vocabulary.setdefault(term, len(self.vocabulary))
        known = self.vocabulary
        starts, numbers = flatten([[known[term] for term in own if term in known] for own in analysed])
        first = len(self._starts) - 1
        self._terms = np.concatenate([self._terms[: self._starts[-1]], numbers])
        self._starts = np.concatenate([self._starts, self._starts[-1] + starts[1:]])
        self._words.update(
            zip(words, range(first, first + len(words)), strict=True)
        )  # last: an interrupt loses words alone
