"""RecBole's training with the optimiser of TIGER's paper."""

from typing import Any

import torch
from recbole.trainer import Trainer

from calrec_recbole.baselines.tiger.model import ADAFACTOR
from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest

__all__ = ["TigerTrainer"]


class TigerTrainer(EpochwiseResume, TieHonest, Trainer):
    """``learner: adafactor`` is torch's, whose rate at step t is min(learning_rate, 1 / sqrt(t)) times the root mean
    square of each matrix: with 0.01 the paper's schedule, constant for 10,000 steps, then the inverse square root.
    """

    def _build_optimizer(self, **given: Any) -> Any:
        if self.learner != ADAFACTOR:
            return super()._build_optimizer(**given)
        return torch.optim.Adafactor(self.model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
