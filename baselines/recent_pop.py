"""Popularity of late: how often an item was taken in the days before the user's last event (Ji et al., SIGIR 2020).

"A Re-visit of the Popularity Baseline in Recommender Systems", https://arxiv.org/abs/2005.13829: popularity counted
over all training events, as Pop does, mixes times that no user saw.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor

from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["RecentPop", "RecentSettings"]

DAY = 86_400  # seconds


@dataclass(frozen=True)
class RecentSettings:
    """``recent_days``: how far back events count, from the last event of a history."""

    recent_days: float = ranged(30.0, "(0, inf)")

    def __post_init__(self) -> None:
        check_ranges(self)


class RecentPop(SequentialRecommender):
    """score(i) = the training events of i in the ``recent_days`` up to the history's last event, that one included.

    Events after it count nothing, so no user is told the future. RecBole hands times over in float32: the window's ends
    are good to two minutes.
    """

    input_type = InputType.POINTWISE
    setting_groups = (RecentSettings,)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.window = settings_of(RecentSettings, config).recent_days * DAY
        self.times_of = config["TIME_FIELD"] + config["LIST_SUFFIX"]
        events = dataset.prepared.events
        learnt = events.training
        order = np.argsort(events.times[learnt], kind="stable")
        self.items, self.times = events.items[learnt][order], events.times[learnt][order]

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float64 counts, the pad item's -inf."""
        lengths = interaction[self.ITEM_SEQ_LEN].cpu()
        times = interaction[self.times_of].cpu().double()
        now = times.gather(1, lengths[:, None] - 1)[:, 0].numpy()
        begins = np.searchsorted(self.times, now - self.window, side="left")
        ends = np.searchsorted(self.times, now, side="right")
        scores = np.stack(
            [
                np.bincount(self.items[begin:end], minlength=self.n_items)
                for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
            ]
        ).astype(np.float64)
        scores[:, 0] = -np.inf
        return torch.from_numpy(scores).to(self.device)
