"""What may come next in an item's text, for `speculation`: guesses cost passes where they fail, never exactness."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calrec_recbole.errors import ConfigError, DataError

__all__ = ["CatalogueProposer", "Proposer"]

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, of mixed bits; hashes are sums token * BASE**place, modulo 2**64
START = np.uint64(0xD1B54A32D192ED03)  # stands before a text


class Proposer(Protocol):
    """Proposes the tokens after a text."""

    longest: int  # tokens of a chain, at most

    def chains(self, texts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """What may follow on each of R unfinished texts -> (R, L) ids of the model's tokens, -1 after the last.

        ``texts`` (R, T) begins with the ``lengths`` (R,) >= 1 tokens of each. L <= ``longest``; a chain may be empty.
        """
        ...


class CatalogueProposer:
    """After a beginning of catalogue texts, what most of those go on with; off the catalogue, what follows there most
    often on the text's last tokens: of as many as ``orders`` say, in its order, the first that the catalogue has.

    The catalogue's trie, and beside it the counts of n-grams, as one table from a hash of the context to its best next
    token. Where two contexts had one hash, a proposal would be poor; nothing else depends on it.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[int]],
        longest: int = 16,
        share: float = 0.5,
        orders: Sequence[int] = (4, 3, 2, 1),
    ) -> None:
        """``texts`` are the catalogue's distinct token sequences, without the end token. A chain is at most ``longest``
        tokens, and goes on while at least ``share`` of the texts that hold its context would follow it.

        Raises DataError without texts, ConfigError for a setting.
        """
        if not texts:
            raise DataError("the catalogue is empty: there is nothing to propose")
        if longest < 1 or not 0 <= share <= 1:
            raise ConfigError(f"longest is {longest}, share {share}: at least 1, and from 0 to 1")
        self.longest, self.share = longest, share
        self._orders = np.array(orders, np.int64)
        hashes, tokens = (np.concatenate(parts) for parts in zip(*_contexts(texts, orders), strict=True))
        self._hashes, self._tokens, self._shares = _most_frequent(hashes, tokens)

    def chains(self, texts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The (R, longest) proposals after ``texts`` (R, T) of ``lengths`` (R,), -1 after the last."""
        out = np.full((len(texts), self.longest), -1, np.int64)
        _fill(texts, lengths, self.share, self._hashes, self._tokens, self._shares, self._orders, out)
        return out


def _contexts(
    texts: Sequence[Sequence[int]], orders: Sequence[int]
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Hashes of contexts and the token after each, -1 for the end: whole beginnings, then each of ``orders``."""
    arrays = [np.asarray(text, np.int64) for text in texts]
    lengths = np.array([len(text) + 1 for text in arrays])
    stream = np.concatenate([np.append(text, -1) for text in arrays])
    inside = np.arange(len(stream)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # place in the own text
    values = (stream + 1).astype(np.uint64)
    beginnings = np.full(len(stream), START)
    for place in range(1, int(lengths.max())):
        here = np.flatnonzero(inside == place)
        beginnings[here] = beginnings[here - 1] * BASE + values[here - 1]
    yield beginnings, stream
    for order in orders:
        here = np.flatnonzero(inside >= order)
        hashes = np.full(len(here), order, np.uint64)
        for back in range(order, 0, -1):
            hashes = hashes * BASE + values[here - back]
        yield hashes, stream[here]


def _most_frequent(
    hashes: NDArray[np.uint64], tokens: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]:
    """Distinct hashes, ascending; the commonest token of each, the smallest of several; and its share."""
    order = np.lexsort((tokens, hashes))
    hashes, tokens = hashes[order], tokens[order]
    new = np.append(True, (hashes[1:] != hashes[:-1]) | (tokens[1:] != tokens[:-1]))
    starts = np.flatnonzero(new)  # of each pair of hash and token
    counts = np.diff(np.append(starts, len(hashes)))
    hashes, tokens = hashes[starts], tokens[starts]
    ranked = np.lexsort((tokens, -counts, hashes))
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))  # `ranked` keeps the order of the hashes
    best = ranked[first]
    return hashes[first], tokens[best], counts[best] / np.add.reduceat(counts, first)


@njit(cache=True)
def _fill(texts, lengths, share, hashes, tokens, shares, orders, out):  # type: ignore[no-untyped-def]
    """Fills ``out`` (R, L), -1 before, with the chains after ``texts``."""
    longest = out.shape[1]
    text = np.empty(texts.shape[1] + longest, np.uint64)
    for row in range(len(texts)):
        beginning, length = START, lengths[row]
        for place in range(length):
            text[place] = np.uint64(texts[row, place] + 1)
            beginning = beginning * BASE + text[place]
        held = 1.0
        for place in range(longest):
            found = _find(hashes, beginning)
            for order in orders:
                if found >= 0:
                    break
                if order <= length:
                    found = _find(hashes, _last(text, length, order))
            if found < 0 or tokens[found] < 0 or held * shares[found] < share:
                break
            held *= shares[found]
            out[row, place] = tokens[found]
            text[length] = np.uint64(tokens[found] + 1)
            beginning = beginning * BASE + text[length]
            length += 1


@njit(cache=True)
def _last(text, length, order):  # type: ignore[no-untyped-def]
    """The hash of the last ``order`` tokens."""
    value = np.uint64(order)
    for place in range(length - order, length):
        value = value * BASE + text[place]
    return value


@njit(cache=True)
def _find(hashes, wanted):  # type: ignore[no-untyped-def]
    """The place of ``wanted`` in the ascending ``hashes``, -1 where it is not."""
    place = np.searchsorted(hashes, wanted)
    return place if place < len(hashes) and hashes[place] == wanted else -1
