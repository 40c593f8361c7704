"""UniSRec's pretraining objective (KDD 2022, section 2.2): in-batch contrast, and the augmentation of a sequence."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["augment", "cosine", "drop_items", "in_batch_contrast"]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """(A, H), (B, H) -> (A, B), the cosine of every pair."""
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


def in_batch_contrast(sequences: Tensor, others: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Both contrasts: sequence i of (B, H) picks other i among the (B, H) others -> scalar, nats.

    ``positives`` (B,): the id of each row's next item. Others of the same next item are no negatives and leave the
    sum; the official code sets their logits to 0 before exp, which adds 1 for each instead.
    """
    same = positives[:, None] == positives
    same.fill_diagonal_(False)
    logits = (cosine(sequences, others) / temperature).masked_fill_(same, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def drop_items(item_seq: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """What the draws ``keep`` (B, L) leave of (B, L) right-padded histories, moved together -> (B, L), lengths (B,).

    The newest item always stays, another one where the draw of its successor says so. It is the official code's rule:
    that one keeps the oldest item and then writes every dropped item over the kept one before it, so that of each run
    the newest is left.
    """
    there = item_seq != 0
    keep = keep.roll(-1, dims=1).scatter(1, there.sum(dim=1, keepdim=True) - 1, True) & there
    order = torch.argsort(keep.int(), dim=1, descending=True, stable=True)
    return (item_seq * keep).gather(1, order), keep.sum(dim=1)


def augment(
    item_seq: Tensor, lengths: Tensor, n_items: int, item_drop_ratio: float, item_drop_coefficient: float
) -> tuple[Tensor, Tensor]:
    """Another view of histories of ids 1..n_items, 0 = pad: (B, L), (B,) -> (B, L), (B,).

    Items are chosen with probability ``item_drop_ratio``. In ``item_drop_coefficient`` of the cases they are dropped;
    in the others they take their word-dropped text, which has the id i + n_items. The cases are drawn for each history
    (officially for each batch: the expectation is the same).
    """
    keep = torch.rand(item_seq.shape, device=item_seq.device) >= item_drop_ratio
    fewer, fewer_lengths = drop_items(item_seq, keep)
    by_item = torch.rand(len(item_seq), device=item_seq.device) < item_drop_coefficient
    words_dropped = torch.where(keep | (item_seq == 0), item_seq, item_seq + n_items)
    return torch.where(by_item[:, None], fewer, words_dropped), torch.where(by_item, fewer_lengths, lengths)
