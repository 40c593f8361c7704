"""Branching keeps prefix and suffix of every sample together, against plain lists of prefixes."""

import random

import pytest
import torch

from calrec_recbole.generation.shared_prefix.prefix_tree import branch


def test_by_hand():
    """Row 0 gets children 5 and 7, row 1 none, row 2 child 5: the second child of row 0 fills the slot of row 1.

    Sample 2 does not go on.
    """
    rows, tokens = torch.tensor([0, 0, 2, 0, 2]), torch.tensor([7, 5, 9, 7, 5])
    children = branch(rows, tokens, torch.arange(3), torch.tensor([True, True, False, True, True]))
    assert children.counts.tolist() == [3, 1, 4]
    assert children.tokens[:3].tolist() == [5, 7, 5]
    assert children.parents[:3].tolist() == [0, 0, 2]
    assert children.slots[:3].tolist() == [0, 1, 2]
    assert (children.order[:4].tolist(), children.rows[:4].tolist()) == ([1, 0, 3, 4], [0, 1, 1, 2])
    assert (children.source[:1].tolist(), children.target[:1].tolist()) == ([0], [1])


@pytest.mark.parametrize("seed", range(30))
def test_slots_hold_the_prefixes_of_their_samples(seed):
    """Walks down random trees: a list of suffixes by slot, copied as the branching says, must stay true."""
    chance = random.Random(seed)
    prefixes = [() for _ in range(24)]  # of each sample
    rows = torch.tensor([sample // 8 for sample in range(24)])  # three users, eight samples each
    users, stored, slots = [0, 1, 2], {row: () for row in range(3)}, torch.arange(3)
    owner = [sample // 8 for sample in range(24)]
    while prefixes:
        drawn = [chance.choice([1, 1, 1, 2, 3]) for _ in prefixes]
        going = [chance.random() > 0.15 for _ in prefixes]
        children = branch(rows, torch.tensor(drawn), slots, torch.tensor(going))
        k, copies, goes = children.counts.tolist()
        assert goes == sum(going)
        order = children.order[:goes].tolist()
        assert sorted(order) == [sample for sample, goes_on in enumerate(going) if goes_on]
        prefixes, owner = [(*prefixes[one], drawn[one]) for one in order], [owner[one] for one in order]
        users = [users[parent] for parent in children.parents[:k].tolist()]
        assert users == sorted(users)
        pairs = zip(children.target[:copies].tolist(), children.source[:copies].tolist(), strict=True)
        stored |= {target: stored[source] for target, source in pairs}
        slots, rows = children.slots[:k], children.rows[:goes]
        assert sorted(slots.tolist()) == list(range(k))
        stored = {
            slot: (*stored[slot], token)
            for slot, token in zip(slots.tolist(), children.tokens[:k].tolist(), strict=True)
        }
        assert [stored[int(slots[row])] for row in rows.tolist()] == prefixes
        assert [users[row] for row in rows.tolist()] == owner
        assert len(stored) == len(set(zip(owner, prefixes, strict=True)))
