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

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from calrec_recbole.retrieval.postings import Postings, flatten

__all__ = ["Folding"]

COMMON = 0.5  # share of the items that hold a common word, at least
MOST_KEPT = 64  # foldings in memory; queries that follow one template need one
CHUNKS = 64  # of the queries; each has one array of sums

Query = Mapping[int, np.float32]  # term -> weight


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

    def __init__(self, postings: Postings, saturations: NDArray[np.float32]) -> None:
        """``saturations`` (n_postings,) are 1 + tf norm, float32."""
        self.postings, self.saturations = postings, saturations
        frequencies = postings.document_frequencies
        self.common = set(np.flatnonzero(frequencies > COMMON * len(postings.lengths)).tolist())
        self.frequencies: list[int] = frequencies.tolist()
        self._bases: dict[tuple[tuple[int, np.float32], ...], _Base] = {}

    def fused(
        self,
        queries: Sequence[Query],
        user_starts: NDArray[np.int64],
        places: NDArray[np.int64],
        factors: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Line 11: max over a user's queries of factor * scaled scores -> (n_users, n_items) float64.

        User u has ``places[user_starts[u]:user_starts[u + 1]]`` of ``queries``, each with its factor.
        """
        bases: dict[tuple[tuple[int, np.float32], ...], list[int]] = {}
        for row, query in enumerate(queries):
            key = tuple(sorted((term, weight) for term, weight in query.items() if term in self.common))
            bases.setdefault(key, []).append(row)
        used = [self._base(key) for key in bases]
        sparse = self._sparse(queries, list(zip(bases.values(), used, strict=True)))
        of_query = np.zeros(len(queries), np.int64)
        for number, rows in enumerate(bases.values()):
            of_query[rows] = number
        value_starts, values = np.cumsum([0, *(len(base.values) for base in used)]), [base.values for base in used]
        out = np.zeros((len(user_starts) - 1, len(self.postings.lengths)))
        if used and out.size:
            groups = np.stack([base.groups for base in used])
            _pool(user_starts, places, factors, of_query, *sparse, groups, np.concatenate(values), value_starts, out)
        return out

    def _base(self, key: tuple[tuple[int, np.float32], ...]) -> _Base:
        if key not in self._bases:
            if len(self._bases) >= MOST_KEPT:
                self._bases.pop(next(iter(self._bases)))
            sums = np.zeros(len(self.postings.lengths))
            for term, weight in key:
                own = slice(self.postings.starts[term], self.postings.starts[term + 1])
                sums[self.postings.documents[own]] += (weight - weight / self.saturations[own]).astype(np.float64)
            values, groups = np.unique(sums, return_inverse=True)
            self._bases[key] = _Base(sums, values, groups.astype(np.int32), np.argsort(sums, kind="stable"))
        return self._bases[key]

    def _sparse(self, queries: Sequence[Query], parts: Sequence[tuple[list[int], _Base]]) -> _Sparse:
        rare = [[(term, weight) for term, weight in query.items() if term not in self.common] for query in queries]
        room = np.array([sum(self.frequencies[term] for term, _ in query) for query in rare], np.int64)
        starts = np.cumsum(room) - room
        n_queries, total = len(queries), int(room.sum())
        counts, low, high = np.zeros(n_queries, np.int64), np.zeros(n_queries), np.zeros(n_queries)
        items, scores = np.empty(total, np.uint32), np.empty(total, np.float32)
        for rows, base in parts:
            own_starts, terms = flatten([[term for term, _ in rare[row]] for row in rows])
            weights = np.array([weight for row in rows for _, weight in rare[row]], np.float32)
            query = (own_starts, terms, weights, np.array(rows, np.int64))
            _score(
                *(self.postings.starts, self.postings.documents, self.saturations, *query, base.sums, base.ascending),
                *(starts, counts, items, scores, low, high),
            )
        return _Sparse(starts, counts, items, scores, low, high)


@njit(cache=True, parallel=True)
def _score(  # type: ignore[no-untyped-def]
    starts, documents, saturations, query_starts, terms, weights, rows, base, ascending,
    places, counts, items, scores, low, high,
):  # fmt: skip
    """Fills the ``rows`` of the arrays of ``_Sparse`` for queries of rare ``terms`` over one ``base``.

    ``places`` has room for every posting of a query's terms behind each start.
    """
    n_items, n_queries = len(base), len(rows)
    n_chunks = min(n_queries, CHUNKS)
    for chunk in prange(n_chunks):
        sums, seen = base.copy(), np.zeros(n_items, np.bool_)
        for number in range(chunk, n_queries, n_chunks):
            query = rows[number]
            first = end = places[query]
            for position in range(query_starts[number], query_starts[number + 1]):
                weight = weights[position]
                for place in range(starts[terms[position]], starts[terms[position] + 1]):
                    item = documents[place]
                    if not seen[item]:
                        seen[item] = True
                        items[end] = item
                        end += 1
                    sums[item] += np.float64(weight - weight / saturations[place])
            counts[query] = end - first
            largest, smallest = np.float32(base[ascending[n_items - 1]]), np.float32(np.inf)
            for item in ascending:
                if not seen[item]:
                    smallest = np.float32(base[item])
                    break
            for place in range(first, end):
                item = items[place]
                score = np.float32(sums[item])
                scores[place] = score
                largest, smallest = max(largest, score), min(smallest, score)
                sums[item], seen[item] = base[item], False
            low[query], high[query] = smallest, largest


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
