"""Ranks of a model that finds items by the texts it has for a user."""

from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from calrec_recbole.evaluation import RankTable, lowered_ranks
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest

__all__ = ["RanksTexts"]


class RanksTexts(TieHonest):
    """Counts ranks without the matrix of scores where the model ``stands`` and no lists are gathered."""

    model: Any

    def _batch_ranks(self, batch: tuple[Interaction, None, Tensor, Tensor]) -> RankTable:
        if not self.model.stands or self.lists:
            return super()._batch_ranks(batch)
        interaction, _, _, targets = batch
        last = self._last_items(interaction)
        counts = self.model.rank_counts(interaction, torch.stack([targets, last.to(targets.device)], dim=1))
        (own, other), greater, equal = (torch.from_numpy(array).T for array in counts)
        ranks = 1 + greater[0], greater[0] + equal[0]
        masked = lowered_ranks(last.cpu() == targets.cpu(), own, other, *ranks)
        assert self.text_groups
        alike = self.text_groups.sizes[targets.cpu()] - 1  # items of the target's text have its score
        equivalent = ranks[0], ranks[1] - alike
        return RankTable(interaction[self.columns.user].cpu(), targets.cpu(), *ranks, *masked, *equivalent)
