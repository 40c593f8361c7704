"""The token sequences of a catalogue as one trie, in flat arrays."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import DataError

__all__ = ["Trie"]


@dataclass(frozen=True)
class Trie:
    """Node 0 is the root; nodes are numbered by depth, then parent, then token, so siblings stand side by side.

    The children of node n are the nodes ``starts[n]`` to ``starts[n + 1] - 1`` (``starts`` (nodes + 1,)). ``tokens``
    (nodes,) is the token that leads to a node, -1 for the root. ``text`` (nodes,) is the number of the text that ends
    at a node, -1 where none does. ``longest`` counts the tokens of the longest text. 12 bytes a node.
    """

    starts: NDArray[np.int32]
    tokens: NDArray[np.int32]
    text: NDArray[np.int32]
    longest: int

    @classmethod
    def of(cls, texts: Iterable[Sequence[int]]) -> "Trie":
        """``texts`` are token ids without the end token. Raises DataError where there is none, or two are equal.

        They are read once, one after the other, so a generator need not hold them all.

        >>> trie = Trie.of([[5, 6], [5], [7]])
        >>> trie.tokens.tolist(), trie.starts.tolist(), trie.text.tolist()
        ([-1, 5, 7, 6], [1, 3, 4, 4, 4], [-1, 1, 2, 0])
        """
        flat, ends = array("i"), array("q")
        for text in texts:
            flat.extend(map(int, text))
            ends.append(len(flat))
        if not ends:
            raise DataError("the catalogue is empty: there is nothing to decode")
        return _by_depth(np.frombuffer(flat, np.int32), np.frombuffer(ends, np.int64))

    def branches(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """All ways down from ``nodes`` (B,) -> their place in ``nodes`` (C,), token (C,) and child (C,), in order."""
        first = self.starts[nodes].astype(np.int64)
        counts = self.starts[nodes + 1] - first
        owners = np.repeat(np.arange(len(nodes)), counts)
        children = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        return owners, self.tokens[children].astype(np.int64), children


def _by_depth(flat: NDArray[np.int32], ends: NDArray[np.int64]) -> Trie:
    """The trie of the texts that lie end to end in ``flat``; text i ends before ``ends[i]``. One sort a depth."""
    lengths = np.diff(ends, prepend=0)
    begins = ends - lengths
    tokens, starts, text = [np.full(1, -1, np.int32)], [], []
    alive, parents, size = np.arange(len(ends)), np.zeros(len(ends), np.int64), 1  # parents: places in the last depth
    for depth in range(int(lengths.max()) + 1):
        done = lengths[alive] == depth
        text.append(_endings(alive[done], parents[done], len(tokens[-1])))
        alive, parents = alive[~done], parents[~done]
        following = flat[begins[alive] + depth] if len(alive) else flat[:0]
        order = np.lexsort((following, parents))
        alive, parents, following = alive[order], parents[order], following[order]
        new = np.append(True, (np.diff(parents) != 0) | (np.diff(following) != 0))[: len(alive)]
        starts.append(size + np.searchsorted(parents[new], np.arange(len(tokens[-1]))).astype(np.int32))
        tokens.append(following[new])
        parents = np.cumsum(new) - 1
        size += len(tokens[-1])
    starts.append(np.full(1, size, np.int32))
    return Trie(np.concatenate(starts), np.concatenate(tokens), np.concatenate(text), int(lengths.max()))


def _endings(texts: NDArray[np.int64], nodes: NDArray[np.int64], size: int) -> NDArray[np.int32]:
    """(size,) the text that ends at each of the nodes of one depth, -1 where none does."""
    at = np.full(size, -1, np.int32)
    at[nodes] = texts
    twice = np.flatnonzero(at[nodes] != texts)
    if len(twice):
        first, second = sorted((int(texts[twice[0]]), int(at[nodes[twice[0]]])))
        raise DataError(f"texts {first} and {second} are the same tokens: give each distinct text once")
    return at
