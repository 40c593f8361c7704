"""BM25 as the package rank_bm25 computes it (``BM25Okapi``), float for float.

It differs from Lucene's in what it does with words that stand in more than half of the items, such as the template's
labels: their negative idf becomes a quarter of the mean idf, where Lucene's comes close to 0. The paper's k1 and b are
the defaults of this class. Source: https://github.com/dorianbrown/rank_bm25.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import regex
from numba import njit
from numpy.typing import NDArray

from calrec_recbole.retrieval.bm25 import BM25, K1, B
from calrec_recbole.retrieval.postings import Postings, flatten, index

__all__ = ["OkapiBM25", "floored_idf", "lower_case_words"]

EPSILON = 0.25  # rank_bm25's default: what share of the mean idf stands in for a negative one

# a letter, number or underscore, and what belongs to it: vowel signs, accents of their own, joiners inside a word; not
# what only chooses between the looks of a character (U+FE00 to U+FE0F), as behind the digits of emoji
_INNER = r"[\p{L}\p{N}\p{Mn}\p{Mc}_--[\ufe00-\ufe0f]]"
_WORD = regex.compile(rf"[\p{{L}}\p{{N}}_](?:{_INNER}|[\u200c\u200d](?={_INNER}))*", regex.V1)


def lower_case_words(text: str) -> list[str]:
    """Runs of letters, digits and underscores with their combining marks, in lower case: no stems, no stop words.

    Canonically equivalent texts (NFC, NFD) have the same words.

    >>> lower_case_words("Rosin Paper, 4.5-Inch")
    ['rosin', 'paper', '4', '5', 'inch']
    """
    words: list[str] = _WORD.findall(unicodedata.normalize("NFC", text.lower()))
    return words


class OkapiBM25(BM25):
    """Scores (n_queries, n_items) float64, bit-equal to rank_bm25's ``BM25Okapi`` on the same tokens.

    Where rank_bm25 divides by zero (a corpus without a word; k1 = 0; b = 1 with an empty text), the score here is 0.

    >>> OkapiBM25(["red", "tape", "red", "pen", "ink"]).scores(["red", "pen pen"]).round(4)  # log(3.5 / 2.5), 2 log(3)
    array([[0.3365, 0.    , 0.3365, 0.    , 0.    ],
           [0.    , 0.    , 0.    , 2.1972, 0.    ]])
    """

    def __init__(
        self,
        texts: Sequence[str],
        k1: float = K1,
        b: float = B,
        tokenize: Callable[[str], list[str]] | None = None,
    ) -> None:
        """``tokenize`` turns a text into tokens, for items and queries alike; ``lower_case_words`` by default."""
        super().__init__(texts, k1, b)
        self.tokenize = tokenize or lower_case_words
        self.postings = index([self.tokenize(text) for text in texts])
        self.impacts = _impacts(self.postings, k1, b)

    def _score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        starts, terms = flatten([self.postings.known(self.tokenize(query)) for query in queries])
        scores = np.zeros((len(queries), len(self.postings.lengths)), np.float64)
        _add_impacts(self.postings.starts, self.postings.documents, self.impacts, starts, terms, scores)
        return scores


def floored_idf(postings: Postings) -> NDArray[np.float64]:
    """(n_terms,) log(N - df + 0.5) - log(df + 0.5), nats; a negative one becomes 0.25 of the mean over all terms.

    N counts all documents, also empty ones.
    """
    n_documents = len(postings.lengths)
    held = postings.document_frequencies.tolist()
    # math.log, and a plain sum in order of first appearance: other logarithms and sums differ in the last bit
    by_frequency = {df: math.log(n_documents - df + 0.5) - math.log(df + 0.5) for df in set(held)}
    plain = np.array([by_frequency[df] for df in held])
    mean = float(np.cumsum(plain)[-1]) / len(plain) if len(plain) else 0.0
    return np.where(plain < 0, EPSILON * mean, plain)


def _impacts(postings: Postings, k1: float, b: float) -> NDArray[np.float64]:
    """(n_postings,) what one occurrence of the term in a query adds to the document's score."""
    if not len(postings.documents):
        return np.empty(0)
    lengths, frequencies = postings.lengths[postings.documents], postings.frequencies
    mean_length = int(postings.lengths.sum(dtype=np.int64)) / len(postings.lengths)
    repeated_idf = np.repeat(floored_idf(postings), postings.document_frequencies)
    return repeated_idf * (frequencies * (k1 + 1) / (frequencies + k1 * (1 - b + b * lengths / mean_length)))


@njit(cache=True)
def _add_impacts(starts, documents, impacts, query_starts, terms, scores):  # type: ignore[no-untyped-def]
    """Add to (n_queries, n_items) float64 ``scores``, token by token in the query's order, repeats included."""
    for query in range(len(query_starts) - 1):
        for position in range(query_starts[query], query_starts[query + 1]):
            start, stop = starts[terms[position]], starts[terms[position] + 1]
            for document, impact in zip(documents[start:stop], impacts[start:stop]):  # noqa: B905 numba
                scores[query, document] += impact
