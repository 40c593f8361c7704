"""Packed rows against the same sequences read alone, by every architecture that is claimed."""

import numpy as np
import pytest
import torch

from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.micro_batches.packing import pack, rows_of

CPU = torch.device("cpu")


START = np.array([1])  # the tokenizer's start token


def test_a_row_by_hand():
    one = Example(np.array([7, 8, 9]), 2, np.array([IGNORED, 9, 2]))
    packing = pack([one], [0], [0], START, CPU)
    assert packing.tokens.tolist() == [[7, 8, 9, 1, 9]]
    assert packing.positions.tolist() == [[0, 1, 2, 0, 1]]
    assert packing.segments.starts.tolist() == [0, 3, 5]
    assert packing.segments.longest == 3
    assert packing.features.tolist() == [0, 0, 1, 2, 3]
    assert packing.counts.flatten().tolist() == [2, 1, 1, 1]
    assert (packing.predicts.tolist(), packing.labels.tolist()) == ([1, 2], [9, 2])
    assert (packing.users.tolist(), packing.contexts.tolist(), packing.alone.tolist()) == ([0], [1], [3])


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("limit", [1, 20, 50, 1000])
def test_rows_hold_every_sequence_once_within_the_limit_and_are_equally_many(world, limit):
    tokens = np.random.default_rng(2).integers(1, 30, 12 * world).tolist()
    of_all = [rows_of(tokens, limit, Processes(rank, world)) for rank in range(world)]
    assert sorted(number for rows in of_all for row in rows for number in row) == list(range(len(tokens)))
    assert len({len(rows) for rows in of_all}) == 1
    for rows in of_all:
        sums = [sum(tokens[number] for number in row) for row in rows]
        assert sums == sorted(sums)
        assert all(total <= limit or len(row) == 1 for total, row in zip(sums, rows, strict=True))
