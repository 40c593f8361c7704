import numpy as np
import pytest
import torch

from calrec_recbole.evaluation import TextGroups, tie_ranks

PAD = -1


def by_loops(scores, groups, target):
    """The best and the worst place of the first item of the target's text."""
    alike = [item for item, group in enumerate(groups) if group == groups[target]]
    best = max(scores[item] for item in alike)
    above = sum(score > best for score in scores)
    beside = sum(scores[item] == best for item in range(len(scores)) if item not in alike)
    return 1 + above, 1 + above + beside


@pytest.mark.parametrize("values", [3, 1000])
def test_the_first_item_of_the_text_counts(values):
    rng = np.random.default_rng(values)
    groups = np.append(PAD, rng.integers(0, 8, 29))
    scores = rng.integers(0, values, (50, 30)).astype(np.float32)
    scores[:, 0] = -np.inf
    targets = rng.integers(1, 30, 50)
    pair = tie_ranks(torch.from_numpy(scores), torch.from_numpy(targets))
    found = TextGroups(torch.from_numpy(groups)).ranks(torch.from_numpy(scores), torch.from_numpy(targets), *pair)
    wanted = [by_loops(row, groups, target) for row, target in zip(scores, targets, strict=True)]
    assert [tuple(ranks) for ranks in torch.stack(found, dim=1).tolist()] == wanted
    assert (found[0] <= pair[0]).all()
    assert (found[1] <= pair[1]).all()


def test_a_text_that_was_not_retrieved_ranks_last():
    scores, targets = torch.tensor([[-torch.inf, 0.0, 0.0, 2.0, 0.0]]), torch.tensor([1])
    groups = TextGroups(torch.tensor([PAD, 0, 0, 1, 2]))
    pair = tie_ranks(scores, targets, unretrieved=0.0)
    assert [int(rank) for rank in groups.ranks(scores, targets, *pair, 0.0)] == [4, 4]


def test_distinct_texts_change_nothing():
    scores, targets = torch.rand(5, 9), torch.arange(1, 6)
    pair = tie_ranks(scores, targets)
    found = TextGroups(torch.arange(-1, 8)).ranks(scores, targets, *pair)
    assert all(torch.equal(one, other) for one, other in zip(found, pair, strict=True))
