"""Algorithm 1 over Lucene's BM25 that visits only the postings of rare words; bit-identical to the plain way.

Words that stand in many of the items, such as the template's labels, cost most postings and say least. Items that hold
all of them equally often, and are of one length as Lucene's byte keeps it, make one class: what such words add is the
same for all items of a class, so it is summed once a class. That changes no float, since the float64 sums of Lucene's
float32 parts are exact in any order (up to how many items, ``lucene._add_postings`` says). What is left are the few
postings of rare words:

- an item that no rare word of a query touches has its class's score, and a rare word only ever adds to it;
- the largest score is that of a touched item or the largest of a class; the smallest is that of a touched item or the
  smallest of a class that has an untouched item;
- scaled and modulated, an item's score is at least that of its class. So the best of its class over all of a user's
  texts, for every item, and then the touched items' own, make the maximum of Algorithm 1, line 11.

The loops are those of ``retrieval.lucene.compiled_loops``.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from calrec_recbole.fusion import RankCounts
from calrec_recbole.retrieval.lucene import compiled_loops as kernels
from calrec_recbole.retrieval.postings import Postings

__all__ = ["FusedBM25", "Queries", "Users"]

COMMON = 0.1  # more than this share of the items hold a common word; the best of .05 to .5 at 30,000 items
MOST_CLASSES = 1 / 8  # of the items, from which on words count as rare
FEW = 4096  # classes that are never too many
SMALL = 1 << 16  # items, up to which they are numbered by two bytes
AT_ONCE = 1 << 20  # scores of texts in memory, 8 bytes each


class Queries(NamedTuple):
    """Q queries: query q has the places ``starts[q]:starts[q + 1]`` of its distinct ``terms`` and their ``weights``."""

    starts: NDArray[np.int64]
    terms: NDArray[np.int64]
    weights: NDArray[np.float32]  # idf times the number of the term in the query

    def take(self, rows: NDArray[np.int64]) -> "Queries":
        """The queries of these numbers."""
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        return Queries(starts, self.terms[places], self.weights[places])


class Users(NamedTuple):
    """User u has ``queries[starts[u]:starts[u + 1]]``, numbers of queries, each with its factor of modulation."""

    starts: NDArray[np.int64]
    queries: NDArray[np.int64]
    factors: NDArray[np.float64]

    def part(self, first: int, last: int) -> "Users":
        """The users from ``first`` to before ``last``."""
        own = slice(self.starts[first], self.starts[last])
        return Users(self.starts[first : last + 1] - self.starts[first], self.queries[own], self.factors[own])


class _Classes(NamedTuple):
    """Items by what the common words add to them: class c has ``members[starts[c]:starts[c + 1]]``."""

    of_item: NDArray[Any]  # (n_items,) unsigned
    starts: NDArray[np.int64]
    members: NDArray[Any]  # unsigned
    saturations: NDArray[np.float32]  # (n_common, n_classes), 1 where the word does not stand
    impacts: NDArray[np.float32]  # (n_common, n_classes) of a word that stands once in a query


class _Scored(NamedTuple):
    """Scores of Q queries: of the items that their rare words touch, and of the classes, which all others have."""

    starts: NDArray[np.int64]  # (Q + 1,) query q has room for its touched items from ``starts[q]`` on
    counts: NDArray[np.int64]  # (Q,) how many they are
    items: NDArray[Any]  # unsigned
    scores: NDArray[np.float32]
    classes: NDArray[np.float32]  # (Q, n_classes)
    low: NDArray[np.float64]  # (Q,) the smallest score over all items
    high: NDArray[np.float64]  # (Q,) the largest


class FusedBM25:
    """``postings`` of which the words that many items hold are folded into classes of items."""

    def __init__(self, postings: Postings, saturations: NDArray[np.float32], idf: NDArray[np.float32]) -> None:
        """``saturations`` (n_postings,) are 1 + tf norm, ``idf`` (n_terms,); both float32."""
        self.postings, self.saturations, self.idf = postings, saturations, idf
        self.frequencies = postings.document_frequencies
        weights = np.repeat(idf, self.frequencies)
        self.impacts = weights - weights / saturations  # of a term that stands once in a query
        self.item_type = np.uint16 if len(postings.lengths) < SMALL else np.uint32  # less memory to read is faster
        self.documents = postings.documents.astype(self.item_type)
        self.common, self.classes = self._classes()
        self.row = np.full(len(idf), -1)  # of each term among the common ones
        self.row[self.common] = np.arange(len(self.common))

    def fused(self, queries: Queries, users: Users) -> NDArray[np.float64]:
        """Line 11: max over a user's queries of factor * scaled scores -> (n_users, n_items) float64."""
        out = np.zeros((len(users.starts) - 1, len(self.postings.lengths)))
        for first, own, part in self._blocks(queries, users):
            rows = out[first : first + len(part.starts) - 1]
            kernels.fuse(_threads(len(rows)), *part, *self._scored(own), self.classes.of_item, rows)
        return out

    def rank_counts(self, queries: Queries, users: Users, items: NDArray[np.int64]) -> RankCounts:
        """Where ``items`` (n_users, M) stand among all by the scores of ``fused``, of which a row lives at a time."""
        found = RankCounts(np.zeros(items.shape), np.zeros(items.shape, np.int64), np.zeros(items.shape, np.int64))
        for first, own, part in self._blocks(queries, users):
            rows = slice(first, first + len(part.starts) - 1)
            into = found.scores[rows], found.greater[rows], found.equal[rows]
            kernels.stand(
                _threads(len(part.starts) - 1), *part, *self._scored(own), self.classes.of_item, items[rows], *into
            )
        return found

    def _classes(self) -> tuple[NDArray[np.int64], _Classes]:
        """The common words, the most frequent first, as many as make few classes; and the classes."""
        n_items = len(self.postings.lengths)
        common = np.flatnonzero(self.frequencies > COMMON * n_items)
        common = common[np.argsort(-self.frequencies[common], kind="stable")]
        of_item, columns = np.zeros(n_items, np.int64), list[NDArray[np.float32]]()
        for term in common:
            own = slice(self.postings.starts[term], self.postings.starts[term + 1])
            column = np.ones(n_items, np.float32)
            column[self.postings.documents[own]] = self.saturations[own]
            values, places = np.unique(column, return_inverse=True)
            distinct, finer = np.unique(of_item * len(values) + places, return_inverse=True)
            if len(distinct) > max(FEW, MOST_CLASSES * n_items):
                break
            columns.append(column)
            of_item = finer
        common = common[: len(columns)]
        members = np.argsort(of_item, kind="stable")
        starts = np.searchsorted(of_item[members], np.arange(of_item.max(initial=-1) + 2))
        representatives = members[starts[:-1]]
        saturations = np.array([column[representatives] for column in columns], np.float32)
        saturations = saturations.reshape(len(columns), len(representatives))
        weights = self.idf[common][:, None]
        impacts = weights - weights / saturations
        found = of_item.astype(self.item_type), starts, members.astype(self.item_type), saturations, impacts
        return common, _Classes(*found)

    def _blocks(self, queries: Queries, users: Users) -> Iterator[tuple[int, Queries, Users]]:
        """Consecutive users whose scores fit in memory: the first one's number, their distinct queries, and they."""
        if len(users.starts) == 1 or not len(self.postings.lengths):
            return
        room = self._room(queries) + self.classes.saturations.shape[1]
        ends = np.concatenate([[0], np.cumsum(room[users.queries])])[users.starts]
        first = 0
        while first < len(users.starts) - 1:
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + AT_ONCE, side="right")) - 1)
            part = users.part(first, last)
            own, places = np.unique(part.queries, return_inverse=True)
            yield first, queries.take(own), part._replace(queries=places)
            first = last

    def _room(self, queries: Queries) -> NDArray[np.int64]:
        """(Q,) more than the items that a query's rare words touch: ``kernels._touch`` writes one in vain."""
        postings = np.where(self.row[queries.terms] < 0, self.frequencies[queries.terms], 0)
        sums = np.concatenate([[0], np.cumsum(postings)])
        return np.minimum(np.diff(sums[queries.starts]), len(self.postings.lengths)) + 1

    def _scored(self, queries: Queries) -> _Scored:
        n_queries = len(queries.starts) - 1
        starts = np.concatenate([[0], np.cumsum(self._room(queries))])
        found = _Scored(
            starts=starts,
            counts=np.zeros(n_queries, np.int64),
            items=np.empty(starts[-1], self.item_type),
            scores=np.empty(starts[-1], np.float32),
            classes=np.empty((n_queries, len(self.classes.starts) - 1), np.float32),
            low=np.zeros(n_queries),
            high=np.zeros(n_queries),
        )
        index = (self.postings.starts, self.documents, self.saturations, self.impacts, self.idf, self.row)
        kernels.score(_threads(n_queries), *index, *self.classes, *queries, *found)
        return found


def _threads(rows: int) -> int:
    return max(1, min(rows, numba.get_num_threads()))
