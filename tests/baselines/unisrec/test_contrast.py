import math

import torch
from torch.nn import functional as F

from calrec_recbole.baselines.unisrec.contrast import augment, cosine, drop_items, in_batch_contrast


def test_cosine_is_torchs():
    a, b = torch.randn(3, 4), torch.randn(2, 4)
    torch.testing.assert_close(cosine(a, b), F.cosine_similarity(a[:, None], b[None], dim=-1))


def test_contrast_is_the_double_loop_without_equal_positives():
    torch.manual_seed(0)
    sequences, others, positives = torch.randn(4, 3), torch.randn(4, 3), [7, 9, 7, 8]
    losses = []
    for i in range(4):
        logit = [F.cosine_similarity(sequences[i], others[j], dim=0).item() / 0.07 for j in range(4)]
        kept = [j for j in range(4) if j == i or positives[j] != positives[i]]
        losses.append(math.log(sum(math.exp(logit[j]) for j in kept)) - logit[i])
    found = in_batch_contrast(sequences, others, torch.tensor(positives), 0.07)
    torch.testing.assert_close(found, torch.tensor(sum(losses) / 4))


def test_rows_of_one_positive_only_have_no_negatives():
    assert in_batch_contrast(torch.randn(3, 2), torch.randn(3, 2), torch.tensor([5, 5, 5]), 0.07).item() == 0


def test_the_official_mask_leaves_the_official_items():
    """Official: kept places 0, 1, 2, 3 (the oldest always), each overwritten by the dropped ones that follow it."""
    seq = torch.tensor([[1, 2, 3, 4, 5, 6]])
    keep = torch.tensor([[False, True, True, True, False, False]])
    official = torch.zeros(6, dtype=torch.int64)
    kept = keep[0].clone()
    kept[0] = True
    for item, slot in zip(seq[0], kept.cumsum(0) - 1, strict=True):
        official[slot] = item
    found, lengths = drop_items(seq, keep)
    assert found[0].tolist() == official.tolist() == [1, 2, 3, 6, 0, 0]
    assert lengths.tolist() == [4]


def test_kept_items_move_together():
    seq = torch.tensor([[3, 4, 5, 0], [6, 7, 0, 0], [8, 9, 1, 2]])
    keep = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
    found, lengths = drop_items(seq, keep)
    assert found.tolist() == [[4, 5, 0, 0], [7, 0, 0, 0], [8, 9, 1, 2]]
    assert lengths.tolist() == [2, 1, 4]


def test_augmentation_drops_items_or_words():
    """Shares over 4,000 histories; the tolerances are more than four standard deviations."""
    seq, lengths = torch.tensor([[1, 2, 3, 0]]).repeat(4000, 1), torch.full((4000,), 3)
    torch.manual_seed(0)
    found, new = augment(seq, lengths, n_items=10, item_drop_ratio=0.2, item_drop_coefficient=0.9)
    assert torch.equal((found != 0).sum(dim=1), new)
    words = (found > 10).any(dim=1)
    assert abs(words.float().mean() - 0.1 * (1 - 0.8**3)) < 0.015
    assert (new[words] == 3).all()
    assert ((found[words] == seq[words]) | (found[words] == seq[words] + 10) | (seq[words] == 0)).all()
    assert abs((new < 3).float().mean() - 0.9 * (1 - 0.8**2)) < 0.035  # the newest item always stays
    assert (found[new == 2][:, 1] == 3).all()


def test_without_item_drop_every_chosen_item_changes_its_text():
    seq, lengths = torch.tensor([[1, 2, 0]]), torch.tensor([2])
    found, new = augment(seq, lengths, n_items=10, item_drop_ratio=1.0, item_drop_coefficient=0.0)
    assert (found.tolist(), new.tolist()) == ([[11, 12, 0]], [2])
