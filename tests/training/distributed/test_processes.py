"""Two gloo processes against one: the same users a step, the same losses and weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.errors import ConfigError
from calrec_recbole.training import Processes
from calrec_recbole.training.distributed.processes import evenly


@given(st.lists(st.integers(1, 5), min_size=1, max_size=9), st.integers(1, 6))
def test_every_row_belongs_to_one_process_and_all_have_as_many_pieces(sizes, world):
    rows = iter(range(sum(sizes)))
    pieces = [[next(rows) for _ in range(size)] for size in sizes]
    pieces[0] += list(range(sum(sizes), -(-sum(sizes) // world) * world))  # a multiple, as check_batch demands
    shares = [Processes(rank, world).share(evenly(pieces, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(row for share in shares for piece in share for row in piece) == sorted(
        row for piece in pieces for row in piece
    )
    assert all(set(cut) <= set(next(p for p in pieces if cut[0] in p)) for share in shares for cut in share)


def test_pieces_that_fit_are_left_alone():
    assert evenly([[0, 1], [2], [3, 4, 5]], 3) == [[0, 1], [2], [3, 4, 5]]
    assert evenly([[0, 1], [2], [3, 4, 5]], 2) == [[0, 1], [2], [3, 4], [5]]


def test_a_batch_that_cannot_be_shared_is_refused():
    Processes(0, 4).check_batch(8)
    with pytest.raises(ConfigError, match=r"train_batch_size: a step of 10 users cannot be shared by 4 processes.* 8"):
        Processes(0, 4).check_batch(10)


def test_alone_nothing_is_sent():
    alone, values = Processes.present(), torch.tensor([1.0, 2.0])
    assert alone == Processes(0, 1)
    assert alone.sum(values) is values
    assert alone.gather("x") == ["x"]
    assert alone.share([1, 2, 3]) == [1, 2, 3]
