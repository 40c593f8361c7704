"""What may come next in an item's text, for `speculation`: guesses cost passes where they fail, never exactness."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calrec_recbole.errors import ConfigError, DataError

__all__ = ["CatalogueProposer", "Proposer"]

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, of mixed bits; hashes are sums token * BASE**place, modulo 2**64
START = np.uint64(0xD1B54A32D192ED03)  # stands before a text


class Proposer(Protocol):
    """Proposes the tokens after a text."""

    longest: int  # tokens of a chain, at most

    def chains(self, texts: Tensor, lengths: Tensor) -> Tensor:
        """What may follow on each of R unfinished texts -> (R, L) ids of the model's tokens, -1 after the last.

        ``texts`` (R, T) begins with the ``lengths`` (R,) tokens of each; where a length is 0 there is no text, and any
        answer will do. L <= ``longest``; a chain may be empty. All are on the model's device.
        """
        ...


class CatalogueProposer:
    """After a beginning of catalogue texts, what most of those go on with; off the catalogue, what follows there most
    often on the text's last tokens: of ``order`` of them, or as many as the catalogue has.

    The catalogue's trie, and beside it the counts of n-grams, as one table from a hash of the context to the chain
    after it. Where two contexts had one hash, a proposal would be poor; nothing else depends on it.
    """

    def __init__(self, texts: Sequence[Sequence[int]], longest: int = 16, share: float = 0.5, order: int = 4) -> None:
        """``texts`` are the catalogue's distinct token sequences, without the end token. A chain is at most ``longest``
        tokens, and goes on while at least ``share`` of the texts that hold its context would follow it.

        Raises DataError without texts, ConfigError for a setting.
        """
        if not texts:
            raise DataError("the catalogue is empty: there is nothing to propose")
        if longest < 1 or not 0 <= share <= 1:
            raise ConfigError(f"longest is {longest}, share {share}: at least 1, and from 0 to 1")
        self.longest, self.order = longest, order
        table = _most_frequent(*(np.concatenate(parts) for parts in zip(*_contexts(texts, order), strict=True)))
        self._hashes = torch.from_numpy(table.hashes)
        self._chains = torch.from_numpy(_chains(table, longest, share))
        self._powers = torch.from_numpy(_powers(1))

    def chains(self, texts: Tensor, lengths: Tensor) -> Tensor:
        """The (R, longest) proposals after ``texts`` (R, T) of ``lengths`` (R,), -1 after the last."""
        self._move(texts.device, max(texts.shape[1], self.order))
        wanted = self._contexts_of(texts + 1, lengths)
        place = torch.searchsorted(self._hashes, wanted).clamp_(max=len(self._hashes) - 1)
        found = self._hashes[place] == wanted
        first = found.int().argmax(1, keepdim=True)
        chains = self._chains[place.gather(1, first)[:, 0]].long()
        return chains.where(found.any(1, keepdim=True), -1)

    def _move(self, device: torch.device, width: int) -> None:
        """The table to where the texts are, once: a copy from the host would make each pass wait."""
        if self._hashes.device != device or len(self._powers) <= width:
            self._powers = torch.from_numpy(_powers(width)).to(device)
            self._start = torch.from_numpy(np.atleast_1d(START).view(np.int64)).to(device)
            self._hashes, self._chains = self._hashes.to(device), self._chains.to(device)

    def _contexts_of(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(R, 1 + order) hashes of each text as a whole and of its last tokens, the longest first.

        ``values`` (R, T) are tokens + 1. Of more tokens than a text has the hash is that of the whole text.
        """
        width, powers = values.shape[1], self._powers
        back = lengths[:, None] - 1 - torch.arange(width, device=values.device)  # tokens behind each
        terms = values * powers[back.clamp(min=0)]
        whole = self._start * powers[lengths] + terms.where(back >= 0, 0).sum(1)
        if not self.order:
            return whole[:, None]
        orders = torch.arange(self.order, 0, -1, device=values.device)
        last = lengths[:, None] - orders
        sums = values.gather(1, last.clamp(0, width - 1)) * powers[orders - 1]
        grams = sums.flip(1).cumsum(1).flip(1) + orders * powers[orders]
        return torch.cat((whole[:, None], grams.where(last >= 0, whole[:, None])), dim=1)


class _Table(NamedTuple):
    """Contexts by their hashes, ascending: the commonest token after each, its share, and the place of what follows."""

    hashes: NDArray[np.int64]
    tokens: NDArray[np.int64]  # -1: the end
    shares: NDArray[np.float64]
    following: NDArray[np.int64]  # of the context that the token makes


def _powers(count: int) -> NDArray[np.int64]:
    """BASE ** 0 .. BASE ** count."""
    return np.concatenate(([1], np.full(count, BASE).cumprod(dtype=np.uint64).view(np.int64)))


def _contexts(
    texts: Sequence[Sequence[int]], order: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Hashes of contexts, the token after each, -1 for the end, and the hash of the context after that token.

    First of whole beginnings, then of the last 1, 2, .. ``order`` tokens; one token more makes a longer one of these.
    """
    arrays = [np.asarray(text, np.int64) for text in texts]
    lengths = np.array([len(text) + 1 for text in arrays])
    stream = np.concatenate([np.append(text, -1) for text in arrays])
    inside = np.arange(len(stream)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # place in the own text
    values = (stream + 1).astype(np.uint64)
    beginnings = np.full(len(stream), START)
    for place in range(1, int(lengths.max())):
        here = np.flatnonzero(inside == place)
        beginnings[here] = beginnings[here - 1] * BASE + values[here - 1]
    yield beginnings.view(np.int64), stream, np.roll(beginnings, -1).view(np.int64)
    grams = [_grams(values, length) for length in range(1, order + 1)]
    for length, hashes in enumerate(grams, start=1):
        here = np.flatnonzero(inside >= length)
        yield hashes[here], stream[here], np.roll(grams[min(length, order - 1)], -1)[here]


def _grams(values: NDArray[np.uint64], length: int) -> NDArray[np.int64]:
    """At each place the hash of the ``length`` tokens before it."""
    hashes = np.full(len(values), length, np.uint64)
    for back in range(length, 0, -1):
        hashes = hashes * BASE + np.roll(values, back)
    return hashes.view(np.int64)


def _most_frequent(hashes: NDArray[np.int64], tokens: NDArray[np.int64], following: NDArray[np.int64]) -> _Table:
    """Distinct hashes with the commonest token of each, the smallest of several."""
    order = np.lexsort((tokens, hashes))
    hashes, tokens, following = hashes[order], tokens[order], following[order]
    new = np.append(True, (hashes[1:] != hashes[:-1]) | (tokens[1:] != tokens[:-1]))
    starts = np.flatnonzero(new)  # of each pair of hash and token
    counts = np.diff(np.append(starts, len(hashes)))
    hashes, tokens, following = hashes[starts], tokens[starts], following[starts]
    ranked = np.lexsort((tokens, -counts, hashes))
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))  # `ranked` keeps the order of the hashes
    best = ranked[first]
    shares = counts[best] / np.add.reduceat(counts, first)
    return _Table(hashes[first], tokens[best], shares, np.searchsorted(hashes[first], following[best]))


def _chains(table: _Table, longest: int, share: float) -> NDArray[np.int32]:
    """(contexts, longest) what follows on each while ``share`` holds, -1 after that."""
    chains = np.full((len(table.hashes), longest), -1, np.int32)
    place, held, goes = np.arange(len(chains)), np.ones(len(chains)), np.ones(len(chains), bool)
    for column in chains.T:
        held = held * table.shares[place]
        goes &= (table.tokens[place] >= 0) & (held >= share)
        column[goes] = table.tokens[place[goes]]
        place = np.where(goes, table.following[place], place)
    return chains
