"""Branching keeps prefix and suffix of every sample together, against plain lists of prefixes."""

import random

import pytest
import torch

from calrec_recbole.generation.shared_prefix.tree import branch


def test_by_hand():
    """Row 0 gets children 5 and 7, row 1 none, row 2 child 5: the second child of row 0 fills the place of row 1."""
    children = branch(torch.tensor([0, 0, 0, 2]), torch.tensor([7, 5, 7, 5]))
    assert children.tokens.tolist() == [5, 7, 5]
    assert children.parents.tolist() == [0, 0, 2]
    assert children.rows.tolist() == [1, 0, 1, 2]
    assert (children.source.tolist(), children.target.tolist()) == ([0], [1])


@pytest.mark.parametrize("seed", range(30))
def test_places_hold_the_prefixes_of_their_samples(seed):
    """Walks down random trees: a list of suffixes by place, copied as the branching says, must stay true."""
    chance = random.Random(seed)
    prefixes = [() for _ in range(24)]  # of each sample
    rows = torch.tensor([sample // 8 for sample in range(24)])  # three users, eight samples each
    users, places = [0, 1, 2], {row: () for row in range(3)}
    owner = [sample // 8 for sample in range(24)]
    while prefixes:
        drawn = [chance.choice([1, 1, 1, 2, 3]) for _ in prefixes]
        going = [index for index in range(len(prefixes)) if chance.random() > 0.15]
        if not going:
            break
        rows, owner = rows[going], [owner[index] for index in going]
        prefixes = [(*prefixes[index], drawn[index]) for index in going]
        children = branch(rows, torch.tensor([drawn[index] for index in going]))
        users = [users[parent] for parent in children.parents.tolist()]
        places |= dict(zip(children.target.tolist(), [places[row] for row in children.source.tolist()], strict=True))
        places = {row: (*places[row], token) for row, token in enumerate(children.tokens.tolist())}
        rows = children.rows
        assert [places[row] for row in rows.tolist()] == prefixes
        assert [users[row] for row in rows.tolist()] == owner
        assert len(places) == len(set(zip(owner, prefixes, strict=True)))
