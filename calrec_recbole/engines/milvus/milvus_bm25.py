"""BM25 with the catalogue in Milvus: its sparse vectors find an item's candidates, Lucene's arithmetic scores them.

An item's vector holds what each of its terms adds to a score, a query's vector how often each term stands in it; their
inner product is the BM25 score but for rounding. Milvus answers the best ``candidates`` of each query, and these are
scored again here, so their scores are those of ``LuceneBM25`` bit for bit. All other items score 0, whatever BM25 says.

What that means for Algorithm 1: a column's largest score is the exact one, its smallest is 0 as long as an item is no
candidate, where the exact engine has the score of the worst item: that of the words that stand in every item, such as
the template's labels (on Scientific 0.0001 of 40). Items that no text of a user proposes are one large tie of score 0:
optimistic ranks put the target in front of them all, pessimistic ranks behind them all.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calrec_recbole.engines.milvus.collection import Collection, check_milvus
from calrec_recbole.retrieval.bm25 import BM25, K1, B
from calrec_recbole.retrieval.lucene.lucene_bm25 import LuceneBM25

__all__ = ["CANDIDATES", "MilvusBM25"]

CANDIDATES = 200  # 50 lose no item of the best ten on Scientific: benchmarks/milvus.py


class MilvusBM25(BM25):
    """Scores (n_queries, n_items) float32: Lucene's for the candidates that Milvus answers, 0 for all other items.

    Items of equal text are stored once and are candidates together. The collection's name is a hash of texts, k1 and
    b: a second run finds it, another catalogue never reads it, and one that was left half written is completed.
    Collections of earlier catalogues stay until somebody drops them.
    """

    def __init__(
        self, texts: Sequence[str], k1: float = K1, b: float = B, uri: str = "", candidates: int = CANDIDATES
    ) -> None:
        """``uri`` as in ``Collection``. Raises ``ConfigError``: no package, no such Milvus, or too many candidates."""
        super().__init__(texts, k1, b)
        check_milvus(uri, candidates)
        self.candidates = candidates
        self.exact = LuceneBM25(texts, k1, b)
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        self.distinct = np.fromiter((places[text] for text in texts), np.int64, len(texts))  # of each item
        self.first = np.unique(self.distinct, return_index=True)[1]  # of each distinct text, its first item
        self.starts, self.terms, self.saturations = _by_document(self.exact)
        digest = hashlib.sha256(json.dumps([list(texts), float(k1), float(b)]).encode()).hexdigest()
        self.collection = Collection(uri, f"calrec_{digest[:32]}")
        self.collection.hold(np.flatnonzero(self.exact.postings.lengths[self.first]).tolist(), self._vector)

    def _vector(self, place: int) -> dict[int, float]:
        """What each term of a distinct text adds to a query that holds it once."""
        item = self.first[place]
        own = slice(self.starts[item], self.starts[item + 1])
        terms = self.terms[own]
        weights = self.exact.idf[terms]
        return dict(zip(terms.tolist(), (weights - weights / self.saturations[own]).tolist(), strict=True))

    def _score(self, queries: Sequence[str]) -> NDArray[np.float32]:
        starts, terms, counts = self.exact.counted(queries)
        weights = counts.astype(np.float32) * self.exact.idf[terms]
        own = [slice(start, stop) for start, stop in itertools.pairwise(starts.tolist())]
        vectors = [dict(zip(terms[one].tolist(), counts[one].astype(float).tolist(), strict=True)) for one in own]
        scores = np.zeros((len(queries), len(self.distinct)), np.float32)
        by_text, by_term = np.zeros(len(self.first), np.float32), np.zeros(len(self.exact.idf), np.float32)
        for row, (one, found) in enumerate(zip(own, self.collection.best(vectors, self.candidates), strict=True)):
            by_term[terms[one]] = weights[one]
            by_text[found] = _rescored(self.starts, self.terms, self.saturations, by_term, self.first[found])
            scores[row] = by_text[self.distinct]
            by_term[terms[one]] = by_text[found] = 0
        return scores


def _by_document(exact: LuceneBM25) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The postings by document: (n_documents + 1,) starts, and the terms and saturations of each posting."""
    postings = exact.postings
    order = np.argsort(postings.documents, kind="stable")
    terms = np.repeat(np.arange(len(postings.starts) - 1), postings.document_frequencies)
    starts = np.searchsorted(postings.documents[order], np.arange(len(postings.lengths) + 1))
    return starts, terms[order], exact.saturations[order]


@njit(cache=True)
def _rescored(starts, terms, saturations, weights, documents):  # type: ignore[no-untyped-def]
    """(n,) float32 scores of ``documents``, summed as ``lucene._add_postings`` does.

    ``weights`` (n_terms,) float32 are the query's, 0 where it lacks the term.
    """
    scores = np.empty(len(documents), np.float32)
    for number, document in enumerate(documents):
        total = 0.0
        for place in range(starts[document], starts[document + 1]):
            weight = weights[terms[place]]
            if weight > 0:
                total += np.float64(weight - weight / saturations[place])
        scores[number] = total
    return scores
