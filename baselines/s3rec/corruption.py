"""What S3-Rec hides of a history for its pretraining: single items, and a segment. Zhou et al., CIKM 2020, section 4.

RecBole's ``reconstruct_pretrain_data`` does this row by row in Python, makes a multi-hot vector of all attributes for
every place, and pads on the left, whereas its fine-tuning pads on the right: the positions that are pretrained are not
those that are fine-tuned. Here all is one tensor operation, and rows stay padded on the right.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Segments", "cut_segments", "hide_items", "other_items"]


class Segments(NamedTuple):
    """Rows (B', L) of the histories of two items and more, with the mask token in place of what is hidden."""

    context: Tensor  # all but the segment
    own: Tensor  # the segment alone
    foreign: Tensor  # as many items from elsewhere in the batch, in its place
    lengths: Tensor  # (B',) items


def hide_items(histories: Tensor, ratio: float) -> Tensor:
    """(B, L) right-padded item ids -> (B, L) bool: each item with probability ``ratio``, never a pad."""
    return (torch.rand(histories.shape, device=histories.device) < ratio) & (histories != 0)


def other_items(histories: Tensor, n_items: int) -> Tensor:
    """Draws for each row (M, L) of item ids one item of 1 .. n_items - 1 that is not in it, uniformly -> (M,).

    A row that holds every item keeps what was drawn last.
    """
    drawn = torch.randint(1, n_items, (len(histories),), device=histories.device)
    for _ in range(100):
        clash = ((drawn[:, None] == histories).any(dim=1)).nonzero()[:, 0]
        if not len(clash):
            break
        drawn[clash] = torch.randint(1, n_items, (len(clash),), device=histories.device)
    return drawn


def cut_segments(histories: Tensor, lengths: Tensor, mask_token: int) -> Segments:
    """A segment of 1 .. n/2 items anywhere in each history of n >= 2 items; the foreign one is cut from all rows."""
    chosen = lengths >= 2
    pool = histories[histories != 0]  # all items of the batch, row after row
    histories, lengths = histories[chosen], lengths[chosen]
    size = 1 + _uniform(lengths // 2)
    start = _uniform(lengths - size + 1)
    elsewhere = _uniform(len(pool) - size + 1)
    places = torch.arange(histories.shape[1], device=histories.device)
    offset = places - start[:, None]
    inside = (offset >= 0) & (offset < size[:, None])
    real = places < lengths[:, None]
    foreign = pool[(elsewhere[:, None] + offset).clamp(0, max(0, len(pool) - 1))]
    masks = torch.full_like(histories, mask_token) * real
    return Segments(
        torch.where(inside, masks, histories),
        torch.where(inside, histories, masks),
        torch.where(inside, foreign, masks),
        lengths,
    )


def _uniform(bounds: Tensor) -> Tensor:
    """One whole number of 0 .. bound - 1 for each bound."""
    return (torch.rand(bounds.shape, device=bounds.device, dtype=torch.float64) * bounds).long()
