"""An inverted index: for every term the documents that hold it and how often, as flat arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

__all__ = ["Postings", "flatten", "index", "index_numbers"]


@dataclass(frozen=True)
class Postings:
    """Term t is held by ``documents[starts[t]:starts[t + 1]]``, ascending, ``frequencies`` times each.

    ``vocabulary`` maps terms to their numbers, by first appearance in the documents; ``lengths`` (n_documents,) counts
    each document's terms with repeats. Document numbers are unsigned: compiled loops index faster by them.
    """

    vocabulary: dict[str, int]
    starts: NDArray[np.int64]
    documents: NDArray[np.uint32]
    frequencies: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @property
    def document_frequencies(self) -> NDArray[np.int64]:
        """(n_terms,) number of documents that hold each term."""
        return np.diff(self.starts)

    def known(self, terms: Iterable[str]) -> list[int]:
        """The numbers of those of ``terms`` that any document holds, in order and with repeats."""
        return [self.vocabulary[term] for term in terms if term in self.vocabulary]


def index(documents: Sequence[Sequence[str]]) -> Postings:
    """The inverted index of ``documents``, each a sequence of terms."""
    vocabulary: dict[str, int] = {}
    numbers = [[vocabulary.setdefault(term, len(vocabulary)) for term in document] for document in documents]
    return index_numbers(*flatten(numbers), vocabulary)


def index_numbers(starts: NDArray[np.int64], terms: NDArray[np.int64], vocabulary: dict[str, int]) -> Postings:
    """The inverted index of documents whose terms, by their numbers in ``vocabulary``, are
    ``terms[starts[d]:starts[d + 1]]``.
    """
    lengths = np.diff(starts)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    pairs, frequencies = np.unique(terms * max(len(lengths), 1) + owners, return_counts=True)  # by term, then document
    pair_terms, pair_documents = np.divmod(pairs, max(len(lengths), 1))
    return Postings(
        vocabulary=vocabulary,
        starts=np.searchsorted(pair_terms, np.arange(len(vocabulary) + 1)),
        documents=pair_documents.astype(np.uint32),
        frequencies=frequencies.astype(np.int32),
        lengths=lengths.astype(np.int32),
    )


def flatten(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ragged ``rows`` -> (starts (n_rows + 1,), values): row r is ``values[starts[r]:starts[r + 1]]``."""
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return starts, np.fromiter(chain.from_iterable(rows), np.int64, int(starts[-1]))
