from collections import Counter

import numpy as np
import torch

from calrec_recbole.baselines.recformer.prefix_rows import Rows, draw_rows, joined

USERS = np.array([4, 4, 4, 4, 2, 9, 9])  # rows of a user: 4, 1, 2; so 5, 2, 3 training items


def drawn(later_half, times=3000):
    found = Counter()
    for seed in range(times):
        rows = draw_rows(USERS, later_half, np.random.default_rng(seed))
        assert sorted(USERS[rows]) == [2, 4, 9]
        found.update(rows.tolist())
    return np.array([found[row] for row in range(7)]) / times


def test_an_epoch_holds_one_uniform_row_of_every_user():
    np.testing.assert_allclose(drawn(False), [0.25, 0.25, 0.25, 0.25, 1, 0.5, 0.5], atol=0.04)


def test_pretraining_draws_targets_from_the_later_half():
    """Of 5 items, items 2 to 4 are targets: rows 1 to 3. Of 3 items, items 1 and 2. Of 2, item 0 has no history."""
    np.testing.assert_allclose(drawn(True), [0, 1 / 3, 1 / 3, 1 / 3, 1, 0.5, 0.5], atol=0.04)


def test_joined_rows_refer_to_catalogues_one_after_another():
    part = Rows(torch.tensor([[0, -1], [2, 1]]), torch.tensor([1, 2]), torch.tensor([1, 0]), torch.tensor([1, 3]))
    both = joined([part, part], [3, 3])
    assert [both.history(row) for row in range(4)] == [[0], [2, 1], [3], [5, 4]]
    assert both.targets.tolist() == [1, 0, 4, 3]
    assert len(set(both.users.tolist())) == 4
