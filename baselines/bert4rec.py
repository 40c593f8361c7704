"""BERT4Rec (Sun et al., CIKM 2019) that reads and learns the whole history.

RecBole 1.2.1's BERT4Rec departs from the paper in four places:

1. At validation and test it puts the mask after the history and then drops the first place of every row, full or not:
   a history of n items is read as its newest n - 1, and one of a single item as a mask alone.
2. In training it masks items of a row's history and never its target. A user's last training item is the target of the
   longest row only: it is never learned.
3. The loss takes index 0 for padding: a mask at the oldest item counts nothing. A row of one item, whose only mask is
   there, teaches nothing, also in its fine-tuning batches.
4. A row in which no item was drawn (0.8^n of the rows of n items at mask_ratio 0.2) has no mask; a batch without any
   gives 0/0, a NaN loss.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.bert4rec import BERT4Rec
from torch import Tensor, nn

from calrec_recbole.baselines.transformer_sizes import TransformerSizes
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["BERT4RecFull", "append", "draw_masks"]


@dataclass(frozen=True)
class MaskSettings:
    """``ft_ratio`` of the rows have their last item alone masked, the others each item with ``mask_ratio``."""

    mask_ratio: float = ranged(0.2, "[0, 1]")
    ft_ratio: float = ranged(0.5, "[0, 1]")

    def __post_init__(self) -> None:
        check_ranges(self)


def append(histories: Tensor, lengths: Tensor, items: Tensor) -> Tensor:
    """(B, L) right-padded histories of (B,) lengths, and one item each (B,) -> (B, L + 1): the item after the last."""
    return F.pad(histories, (0, 1)).scatter(1, lengths[:, None], items[:, None])


def draw_masks(lengths: Tensor, width: int, mask_ratio: float, last_ratio: float) -> Tensor:
    """Places to predict, (B, width) bool, in rows of (B,) items.

    With probability ``last_ratio`` a row's last place alone, which is what it meets at test; otherwise each place with
    probability ``mask_ratio``, and the last where none was drawn.
    """
    places = torch.arange(width, device=lengths.device)
    last = places == lengths[:, None] - 1
    drawn = torch.rand(len(lengths), width, device=lengths.device) < mask_ratio
    drawn &= places < lengths[:, None]
    only_last = (torch.rand(len(lengths), device=lengths.device) < last_ratio) | ~drawn.any(dim=1)
    return torch.where(only_last[:, None], last, drawn)


class BERT4RecFull(BERT4Rec):
    """RecBole's BERT4Rec with one position more, for the mask after a full history; every row is masked somewhere."""

    setting_groups = (TransformerSizes, MaskSettings, TrimSettings)

    def __init__(self, config: Any, dataset: Any) -> None:
        loss = settings_of(TransformerSizes, config).loss_type
        if loss != "CE":
            raise ConfigError(f"loss_type={loss!r} must be CE, cross-entropy over all items")
        super().__init__(config, dataset)
        self.last_ratio = settings_of(MaskSettings, config).ft_ratio
        self.position_embedding = nn.Embedding(self.max_seq_length + 1, self.hidden_size)
        self._init_weights(self.position_embedding)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean cross-entropy over the masked places of the rows of history and target -> scalar, nats."""
        lengths = interaction[self.ITEM_SEQ_LEN]
        sequences = append(interaction[self.ITEM_SEQ], lengths, interaction[self.ITEM_ID])
        masks = draw_masks(lengths + 1, sequences.shape[1], self.mask_ratio, self.last_ratio)
        states = self.forward(sequences.masked_fill(masks, self.mask_token))
        return F.cross_entropy(self._scores(states[masks]), sequences[masks])

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items): what stands behind the whole history."""
        histories, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        states = self.forward(append(histories, lengths, torch.full_like(lengths, self.mask_token)))
        return self._scores(self.gather_indexes(states, lengths))

    def predict(self, interaction: Any) -> Tensor:
        """(B,) the scores of each row's own item."""
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID][:, None])[:, 0]

    def _scores(self, states: Tensor) -> Tensor:
        items = self.item_embedding.weight[: self.n_items]
        scores: Tensor = states @ items.T + self.output_bias  # (M, H) -> (M, n_items)
        return scores
