"""Algorithm 1 over Lucene's BM25 in the time of the rare words alone, without changing a float of the result.

Words that stand in most of the items, such as the template's labels, cost most postings and say least. What they add
to an item is a constant for all queries that hold them equally often, so it is folded into one number an item, its
base. That changes no float, since the float64 sums of Lucene's float32 parts are exact in any order
(``lucene._add_postings``). Bases take few distinct values: an item's length, as Lucene's byte keeps it, and how often
it repeats such words decide them. So of the items that no rare word of a query touches, whole groups have one score,
and a rare word only ever adds to it:

- the largest score is that of a touched item or the largest base; the smallest is that of a touched item or the
  smallest base that is not touched;
- scaled and modulated, an item's score is at least that of its group. So the best of its group over all of a user's
  texts, for every item, and then the touched items' own, make the maximum of Algorithm 1, line 11.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from calrec_recbole.retrieval.postings import Postings

__all__ = ["Folding", "Queries"]

COMMON = 0.5  # share of the items that hold a common word, at least
MOST_KEPT = 64  # foldings in memory; queries that follow one template need one
CHUNKS = 64  # of the queries; each has one array of sums


class Queries(NamedTuple):
    """Q queries: query q has the places ``starts[q]:starts[q + 1]`` of its distinct ``terms`` and their ``weights``."""

    starts: NDArray[np.int64]
    terms: NDArray[np.int64]
    weights: NDArray[np.float32]  # idf times the number of the term in the query


class _Base(NamedTuple):
    """What a query's common words add to the items."""

    sums: NDArray[np.float64]  # (n_items,)
    values: NDArray[np.float64]  # (n_groups,) the distinct sums
    groups: NDArray[np.int32]  # (n_items,) the place of each item's sum in ``values``
    ascending: NDArray[np.int64]  # (n_items,) items by their sum


class _Sparse(NamedTuple):
    """Scores of Q queries, of the items that their rare words touch; of all others the base is the score."""

    starts: NDArray[np.int64]  # (Q,) where the touched items of a query begin
    counts: NDArray[np.int64]  # (Q,) how many they are
    items: NDArray[np.uint32]
    scores: NDArray[np.float32]
    low: NDArray[np.float64]  # (Q,) the smallest score over all items
    high: NDArray[np.float64]  # (Q,) the largest


class Folding:
    """``postings`` of which the words that half of the items hold are folded into bases, one a set of such words."""

    def __init__(self, postings: Postings, saturations: NDArray[np.float32], idf: NDArray[np.float32]) -> None:
        """``saturations`` (n_postings,) are 1 + tf norm, ``idf`` (n_terms,); both float32."""
        self.postings, self.saturations, self.idf = postings, saturations, idf
        self.frequencies = postings.document_frequencies
        self.common = self.frequencies > COMMON * len(postings.lengths)
        weights = np.repeat(idf, self.frequencies)
        self.impacts = weights - weights / saturations  # of a term that stands once in a query
        self._bases: dict[bytes, _Base] = {}

    def fused(
        self,
        queries: Queries,
        user_starts: NDArray[np.int64],
        places: NDArray[np.int64],
        factors: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Line 11: max over a user's queries of factor * scaled scores -> (n_users, n_items) float64.

        User u has ``places[user_starts[u]:user_starts[u + 1]]`` of ``queries``, each with its factor.
        """
        out = np.zeros((len(user_starts) - 1, len(self.postings.lengths)))
        if not out.size or len(queries.starts) == 1:
            return out
        bases, of_query = self._bases_of(queries)
        sparse = self._sparse(queries, bases, of_query)
        value_starts = np.cumsum([0, *(len(base.values) for base in bases)])
        groups, values = np.stack([base.groups for base in bases]), np.concatenate([base.values for base in bases])
        _pool(user_starts, places, factors, of_query, *sparse, groups, values, value_starts, out)
        return out

    def _bases_of(self, queries: Queries) -> tuple[list[_Base], NDArray[np.int64]]:
        """The distinct bases of ``queries``, and which of them each has."""
        found: dict[bytes, int] = {}
        bases: list[_Base] = []
        of_query = np.zeros(len(queries.starts) - 1, np.int64)
        common = self.common[queries.terms]
        for row, (start, stop) in enumerate(itertools.pairwise(queries.starts.tolist())):
            own = np.flatnonzero(common[start:stop]) + start
            own = own[queries.terms[own].argsort()]
            terms, weights = queries.terms[own], queries.weights[own]
            key = terms.tobytes() + weights.tobytes()
            if key not in found:
                found[key] = len(bases)
                bases.append(self._base(key, terms, weights))
            of_query[row] = found[key]
        return bases, of_query

    def _base(self, key: bytes, terms: NDArray[np.int64], weights: NDArray[np.float32]) -> _Base:
        if key not in self._bases:
            if len(self._bases) >= MOST_KEPT:
                self._bases.pop(next(iter(self._bases)))
            sums = np.zeros(len(self.postings.lengths))
            for term, weight in zip(terms, weights, strict=True):
                own = slice(self.postings.starts[term], self.postings.starts[term + 1])
                sums[self.postings.documents[own]] += (weight - weight / self.saturations[own]).astype(np.float64)
            values, groups = np.unique(sums, return_inverse=True)
            self._bases[key] = _Base(sums, values, groups.astype(np.int32), np.argsort(sums, kind="stable"))
        return self._bases[key]

    def _sparse(self, queries: Queries, bases: Sequence[_Base], of_query: NDArray[np.int64]) -> _Sparse:
        rare, n_queries = ~self.common[queries.terms], len(of_query)
        owners = np.repeat(np.arange(n_queries), np.diff(queries.starts))[rare]
        terms, weights = queries.terms[rare], queries.weights[rare]
        starts = np.searchsorted(owners, np.arange(n_queries + 1))
        room = np.bincount(owners, self.frequencies[terms], minlength=n_queries).astype(np.int64)
        found = _Sparse(
            starts=np.cumsum(room) - room,
            counts=np.zeros(n_queries, np.int64),
            items=np.empty(room.sum(), np.uint32),
            scores=np.empty(room.sum(), np.float32),
            low=np.zeros(n_queries),
            high=np.zeros(n_queries),
        )
        index = (self.postings.starts, self.postings.documents, self.saturations, self.impacts, self.idf)
        for number, base in enumerate(bases):
            rows = np.flatnonzero(of_query == number)
            _score(*index, starts, terms, weights, rows, base.sums, base.ascending, *found)
        return found


@njit(cache=True, parallel=True)
def _score(  # type: ignore[no-untyped-def]
    starts, documents, saturations, impacts, idf, query_starts, terms, weights, rows, base, ascending,
    places, counts, items, scores, low, high,
):  # fmt: skip
    """Fills the ``rows`` of the arrays of ``_Sparse`` for queries of rare ``terms`` over one ``base``.

    ``places`` has room for every posting of a query's terms behind each start. An item counts as touched where its sum
    is no longer the base: one that gains nothing has its group's score.
    """
    n_chunks = min(len(rows), CHUNKS)
    for chunk in prange(n_chunks):
        sums = base.copy()
        for number in range(chunk, len(rows), n_chunks):
            query = rows[number]
            own = range(query_starts[query], query_starts[query + 1])
            for position in own:
                term, weight = terms[position], weights[position]
                of_term = slice(starts[term], starts[term + 1])
                if weight == idf[term]:
                    _add(sums, documents[of_term], impacts[of_term])
                else:
                    _add(sums, documents[of_term], weight - weight / saturations[of_term])
            largest, smallest = np.float32(base[ascending[-1]]), np.float32(np.inf)
            for item in ascending:
                if sums[item] == base[item]:
                    smallest = np.float32(base[item])
                    break
            end = places[query]
            for position in own:
                for place in range(starts[terms[position]], starts[terms[position] + 1]):
                    item = documents[place]
                    if sums[item] != base[item]:
                        score = np.float32(sums[item])
                        items[end], scores[end] = item, score
                        end += 1
                        largest, smallest = max(largest, score), min(smallest, score)
                        sums[item] = base[item]
            counts[query], low[query], high[query] = end - places[query], smallest, largest


@njit(cache=True)
def _add(sums, documents, impacts):  # type: ignore[no-untyped-def]
    for place in range(len(documents)):
        sums[documents[place]] += np.float64(impacts[place])


@njit(cache=True, parallel=True)
def _pool(  # type: ignore[no-untyped-def]
    user_starts, queries, factors, bases, starts, counts, items, scores, low, high, groups, values, value_starts, out
):
    """Fills (n_users, n_items) ``out``, zeros before: max over a user's queries of factor * scaled score.

    ``bases`` (Q,) numbers the base of each query: row b of ``groups`` (n_bases, n_items), and its values from
    ``value_starts[b]`` of ``values``.
    """
    for user in prange(len(user_starts) - 1):
        best = np.zeros(len(values))
        for place in range(user_starts[user], user_starts[user + 1]):
            query = queries[place]
            own = slice(value_starts[bases[query]], value_starts[bases[query] + 1])
            _raise_groups(best[own], values[own], factors[place], low[query], high[query])
        for base in range(len(groups)):
            own = slice(value_starts[base], value_starts[base + 1])
            if best[own].any():
                _raise_items(out[user], best[own], groups[base])
        for place in range(user_starts[user], user_starts[user + 1]):
            query = queries[place]
            own = slice(starts[query], starts[query] + counts[query])
            _raise_touched(out[user], items[own], scores[own], factors[place], low[query], high[query])


@njit(cache=True)
def _raise_groups(best, values, factor, low, high):  # type: ignore[no-untyped-def]
    for group in range(len(values) if high > low else 0):
        best[group] = max(best[group], factor * ((np.float64(np.float32(values[group])) - low) / (high - low)))


@njit(cache=True)
def _raise_items(row, best, groups):  # type: ignore[no-untyped-def]
    for item in range(len(row)):
        row[item] = max(row[item], best[groups[item]])


@njit(cache=True)
def _raise_touched(row, items, scores, factor, low, high):  # type: ignore[no-untyped-def]
    for place in range(len(items) if high > low else 0):
        item = items[place]
        row[item] = max(row[item], factor * ((np.float64(scores[place]) - low) / (high - low)))
