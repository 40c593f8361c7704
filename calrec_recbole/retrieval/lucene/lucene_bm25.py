"""BM25 as Lucene computes it, float for float, without searching: every item gets its score.

Lucene's own search stops at the top k, and Pyserini rounds the scores and breaks the ties. Here Lucene's analyzer makes
the terms, and its arithmetic is repeated over the postings; the tests compare with a raw ``IndexSearcher`` bit by bit.
Other than in Lucene, a query may hold more than 1,024 distinct terms. Source: ``BM25Similarity``, ``SmallFloat`` and
``BooleanQuery`` in https://lucene.apache.org/core/10_0_0/core/.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calrec_recbole.errors import ScoreError
from calrec_recbole.fusion import RankCounts
from calrec_recbole.retrieval.bm25 import BM25, K1, B
from calrec_recbole.retrieval.lucene.analyzer import analyze
from calrec_recbole.retrieval.lucene.fused_bm25 import FusedBM25, Queries, Users
from calrec_recbole.retrieval.lucene.word_cache import Lexicon
from calrec_recbole.retrieval.postings import Postings, flatten

__all__ = ["LuceneBM25", "idf", "kept_length", "length_norm"]

EXACT_LENGTHS = 24  # SmallFloat: 256 codes, 232 of them taken by the four-bit floats up to the largest int


class LuceneBM25(BM25):
    """Scores (n_queries, n_items) float32, bit-equal to Lucene's for Pyserini's analyzer and bag-of-words queries.

    >>> LuceneBM25(["red glue", "blue tape", "red glue"]).scores(["red", "the"])
    array([[0.18800145, 0.        , 0.18800145],
           [0.        , 0.        , 0.        ]], dtype=float32)
    """

    def __init__(self, texts: Sequence[str], k1: float = K1, b: float = B) -> None:
        super().__init__(texts, k1, b)
        self.lexicon = Lexicon(analyze)
        self.postings = self.lexicon.index(texts)
        self.idf = idf(self.postings)
        norms = length_norm(self.postings.lengths, k1, b)
        self.saturations = np.float32(1) + self.postings.frequencies.astype(np.float32) * norms[self.postings.documents]

    def fused(
        self, texts: Sequence[Sequence[str]], logprobs: Sequence[NDArray[np.float64]], epsilon: float
    ) -> NDArray[np.float64]:
        """Algorithm 1 with maximum pooling: ``texts[u]`` and their ``logprobs[u]`` -> (n_users, n_items) float64.

        Bit-equal to ``fusion.quasi_round_robin`` over ``scores``; users that are scored at once share equal texts.
        """
        return self.fused_bm25.fused(*self._asked(texts, logprobs, epsilon))

    def rank_counts(
        self,
        texts: Sequence[Sequence[str]],
        logprobs: Sequence[NDArray[np.float64]],
        epsilon: float,
        items: NDArray[np.int64],
    ) -> RankCounts:
        """Where each user's ``items`` (n_users, M) stand among all of ``fused``, whose matrix is never made.

        Raises ``ScoreError`` for items of another shape or outside the catalogue.
        """
        n_items = len(self.postings.lengths)
        if items.ndim != 2 or len(items) != len(texts):
            raise ScoreError(f"items have shape {items.shape}: they must be ({len(texts)}, M), a row a user")
        if items.size and not 0 <= items.min() <= items.max() < n_items:
            raise ScoreError(f"items lie from {items.min()} to {items.max()}: the catalogue has 0 to {n_items - 1}")
        return self.fused_bm25.rank_counts(*self._asked(texts, logprobs, epsilon), items)

    def _asked(
        self, texts: Sequence[Sequence[str]], logprobs: Sequence[NDArray[np.float64]], epsilon: float
    ) -> tuple[Queries, Users]:
        rows = {text: row for row, text in enumerate(dict.fromkeys(text for own in texts for text in own))}
        starts, queries = flatten([[rows[text] for text in own] for own in texts])
        factors = np.exp(epsilon * np.concatenate([np.zeros(0), *logprobs]))
        return self._weighted(list(rows)), Users(starts, queries, factors)

    @cached_property
    def fused_bm25(self) -> FusedBM25:
        """The postings with their common words folded."""
        return FusedBM25(self.postings, self.saturations, self.idf)

    def counted(self, queries: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Starts (n_queries + 1,), the distinct known terms of each query, and how often each stands in it."""
        starts, terms = self.lexicon.terms(queries)
        n_terms = max(len(self.postings.vocabulary), 1)
        owners = np.repeat(np.arange(len(queries)), np.diff(starts))
        pairs, counts = np.unique(owners * n_terms + terms, return_counts=True)
        return np.searchsorted(pairs, np.arange(len(queries) + 1) * n_terms), pairs % n_terms, counts

    def _weighted(self, queries: Sequence[str]) -> Queries:
        starts, terms, repeats = self.counted(queries)
        return Queries(starts, terms, repeats.astype(np.float32) * self.idf[terms])

    def _score(self, queries: Sequence[str]) -> NDArray[np.float32]:
        starts, terms, weights = self._weighted(queries)
        scores = np.empty((len(queries), len(self.postings.lengths)), np.float32)
        _add_postings(self.postings.starts, self.postings.documents, self.saturations, starts, terms, weights, scores)
        return scores


def idf(postings: Postings) -> NDArray[np.float32]:
    """(n_terms,) log(1 + (N - df + 0.5) / (df + 0.5)), nats; N counts the documents with at least one term."""
    held = postings.document_frequencies
    n_documents = np.count_nonzero(postings.lengths)
    idf: NDArray[np.float32] = np.log(1 + (n_documents - held + 0.5) / (held + 0.5)).astype(np.float32)
    return idf


def length_norm(lengths: NDArray[np.int32], k1: float, b: float) -> NDArray[np.float32]:
    """(n_documents,) 1 / (k1 (1 - b + b length / mean length)), in float32 step by step; infinite where k1 = 0.

    The mean runs over documents with at least one term. ``lengths`` are rounded as the index keeps them.
    """
    mean = np.float32(lengths.sum(dtype=np.int64) / max(np.count_nonzero(lengths), 1))
    one, k1_, b_ = np.float32(1), np.float32(k1), np.float32(b)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 only where no document has a term: no posting reads it
        return one / (k1_ * ((one - b_) + b_ * kept_length(lengths).astype(np.float32) / mean))


def kept_length(lengths: NDArray[np.int32]) -> NDArray[np.int32]:
    """Lengths in terms as Lucene's one byte keeps them: exact below 24, else 24 and four leading bits of the rest.

    41 -> 40, 55 -> 54, 95 -> 88.
    """
    over = np.maximum(lengths - EXACT_LENGTHS, 0)
    shift = np.maximum(np.frexp(over)[1] - 4, 0)  # frexp's exponent is the number of bits
    return np.where(lengths < EXACT_LENGTHS, lengths, EXACT_LENGTHS + (over >> shift << shift))


@njit(cache=True)
def _add_postings(starts, documents, saturations, query_starts, terms, weights, scores):  # type: ignore[no-untyped-def]
    """Fill (n_queries, n_items) float32 ``scores``: the sum of w - w / (1 + tf norm) over a query's terms.

    Each difference is float32; the sum is float64 and, for up to some 100,000 documents, exact: the smallest idf is
    about 2^-18, so all differences are multiples of 2^-42, and their sum stays below 2^11. So the order of the terms,
    which Lucene leaves open, does not matter.
    """
    sums = np.empty(scores.shape[1], np.float64)
    for query in range(len(query_starts) - 1):
        sums[:] = 0.0
        for position in range(query_starts[query], query_starts[query + 1]):
            weight = weights[position]
            start, stop = starts[terms[position]], starts[terms[position] + 1]
            for document, saturation in zip(documents[start:stop], saturations[start:stop]):  # noqa: B905 numba
                sums[document] += np.float64(weight - weight / saturation)
        scores[query, :] = sums
