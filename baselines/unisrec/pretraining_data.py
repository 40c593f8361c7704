"""What UniSRec is pretrained on: the training parts of several prepared data sets, whose items never mix."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.baselines.text.features import encode_texts, plain_catalogue, text_settings
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.sequences import user_sequences

__all__ = ["Batch", "Sources", "drop_words", "read_sources"]


@dataclass(frozen=True)
class Batch:
    """Histories (B, L) right-padded with 0, their lengths (B,), next items (B,)."""

    item_seq: Tensor
    lengths: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Sources:
    """All data sets in one numbering of items, 1..n_items, 0 = pad.

    ``features`` (1 + 2 n_items, D): row i is item i's text, row i + n_items the same text with words dropped, row 0
    zeros. Row r of training has the history ``events[starts[r]:ends[r]]`` and the next item ``events[ends[r]]``.
    """

    features: Tensor
    n_items: int
    events: Tensor
    starts: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: Tensor) -> Batch:
        """The rows (B,), padded to the longest of them."""
        starts, lengths = self.starts[rows], self.ends[rows] - self.starts[rows]
        places = torch.arange(int(lengths.max()))
        there = places < lengths[:, None]
        item_seq = self.events[torch.where(there, starts[:, None] + places, 0)] * there
        return Batch(item_seq, lengths, self.events[self.ends[rows]])

    def epoch(self, batch_size: int) -> Iterator[Batch]:
        """All rows once, in random order."""
        for rows in torch.randperm(len(self)).split(batch_size):
            yield self.batch(rows)


def read_sources(prepared: Sequence[Prepared], word_drop_ratio: float, max_length: int) -> Sources:
    """Reads and encodes every data set; histories keep their newest ``max_length`` items."""
    plain, dropped, sequences = [], [], []
    n_items = 0
    for source in prepared:
        own = user_sequences(source.events, held_out=2)
        if not own:
            raise DataError(f"pretrain_datasets: {source.name} has no user with 4 events: leave it out")
        sequences += [sequence + n_items for sequence in own]
        plain.append(_features(source))
        dropped.append(_features(source, word_drop_ratio))
        n_items += len(plain[-1])
    starts, ends = _rows([len(sequence) for sequence in sequences], max_length)
    pad = torch.zeros(1, plain[0].size(1))
    events = torch.from_numpy(np.concatenate(sequences))
    return Sources(torch.cat([pad, *plain, *dropped]), n_items, events, starts, ends)


def drop_words(text: str, ratio: float) -> str:
    """Every word is left out with probability ``ratio``; one and the same outcome for equal texts."""
    chance = random.Random(text)
    return " ".join(word for word in text.split() if chance.random() >= ratio)


def _features(source: Prepared, word_drop_ratio: float = 0.0) -> Tensor:
    """(n_items - 1, D), without the pad item."""
    settings = text_settings(source.config)
    distinct, group = plain_catalogue(source, settings).distinct_texts
    texts = [drop_words(text, word_drop_ratio) for text in distinct] if word_drop_ratio else distinct
    vectors = encode_texts(texts, settings)
    return torch.from_numpy(vectors[group])


def _rows(lengths: Sequence[int], max_length: int) -> tuple[Tensor, Tensor]:
    """Every prefix of every sequence, as places in their concatenation: first place of the history, place after it."""
    starts, ends = [], []
    first = 0
    for length in lengths:
        ends.append(np.arange(first + 1, first + length))
        starts.append(np.maximum(first, ends[-1] - max_length))
        first += length
    return torch.from_numpy(np.concatenate(starts)), torch.from_numpy(np.concatenate(ends))
