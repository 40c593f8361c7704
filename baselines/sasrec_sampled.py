"""SASRec (Kang and McAuley, ICDM 2018) with a sampled softmax in the place of the one over all items."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor

from calrec_recbole.baselines.transformer_sizes import TransformerSizes
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["SASRecSampled", "SampledSettings", "sampled_softmax"]


@dataclass(frozen=True)
class SampledSettings:
    """``negatives``: items drawn for a batch, evenly and with replacement, the same for all its rows."""

    negatives: int = ranged(512, "[1, inf)")

    def __post_init__(self) -> None:
        check_ranges(self)


def sampled_softmax(users: Tensor, targets: Tensor, items: Tensor, drawn: Tensor) -> Tensor:
    """(B, H) users, (B,) ids, (n_items, H) vectors, (M,) ids -> scalar, nats: -log softmax of the target among itself
    and the drawn items; a drawn item that is the row's target is left out.

    The drawn logits need no correction for how items are drawn (log q), as all are as likely.
    """
    own = (users * items[targets]).sum(dim=-1, keepdim=True)
    others = (users @ items[drawn].T).masked_fill(drawn == targets[:, None], -torch.inf)
    logits = torch.cat([own, others], dim=1)
    return F.cross_entropy(logits, torch.zeros(len(users), dtype=torch.int64, device=users.device))


class SASRecSampled(SASRec):
    """RecBole's SASRec; only the training loss differs."""

    setting_groups = (TransformerSizes, SampledSettings, TrimSettings)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.negatives = settings_of(SampledSettings, config).negatives

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The mean of ``sampled_softmax`` over RecBole's rows of history and target -> scalar, nats."""
        users = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        drawn = torch.randint(1, self.n_items, (self.negatives,), device=users.device)
        return sampled_softmax(users, interaction[self.POS_ITEM_ID], self.item_embedding.weight, drawn)
