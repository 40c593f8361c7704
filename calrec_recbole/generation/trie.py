"""The token sequences of a catalogue as one trie, in flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import DataError

__all__ = ["Trie"]


@dataclass(frozen=True)
class Trie:
    """Node 0 is the root. The children of node n stand at ``starts[n]:starts[n + 1]`` of ``tokens`` and ``children``.

    Tokens of a node ascend. ``text`` (nodes,) is the number of the text that ends at a node, -1 where none does.
    ``longest`` counts the tokens of the longest text.
    """

    starts: NDArray[np.int64]
    tokens: NDArray[np.int64]
    children: NDArray[np.int64]
    text: NDArray[np.int64]
    longest: int

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> "Trie":
        """``texts`` are token ids without the end token. Raises DataError where there is none, or two are equal.

        >>> trie = Trie.of([[5, 6], [5], [7]])
        >>> trie.tokens.tolist(), trie.text.tolist()
        ([5, 7, 6], [-1, 1, 2, 0])
        """
        if not texts:
            raise DataError("the catalogue is empty: there is nothing to decode")
        nodes: list[dict[int, int]] = [{}]
        ends: list[int] = [-1]
        for number, text in enumerate(texts):
            node = 0
            for token in map(int, text):
                if token not in nodes[node]:
                    nodes[node][token] = len(nodes)
                    nodes.append({})
                    ends.append(-1)
                node = nodes[node][token]
            if ends[node] >= 0:
                raise DataError(f"texts {ends[node]} and {number} are the same tokens: give each distinct text once")
            ends[node] = number
        starts = np.zeros(len(nodes) + 1, np.int64)
        np.cumsum([len(node) for node in nodes], out=starts[1:])
        flat = [pair for node in nodes for pair in sorted(node.items())]
        tokens, children = np.array(flat, np.int64).reshape(-1, 2).T
        return cls(starts, tokens.copy(), children.copy(), np.array(ends, np.int64), max(map(len, texts)))

    def branches(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """All ways down from ``nodes`` (B,) -> their place in ``nodes`` (C,), token (C,) and child (C,), in order."""
        counts = self.starts[nodes + 1] - self.starts[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + self.starts[nodes][owners]
        return owners, self.tokens[places], self.children[places]
