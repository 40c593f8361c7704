"""Pretraining and fine-tuning in one run."""

import time
from collections.abc import Callable
from typing import Any

from recbole.trainer import Trainer

from calrec_recbole.baselines.s3rec.model import PretrainingSettings
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume, phase_left
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest
from calrec_recbole.setting_groups import settings_of

__all__ = ["PretrainedTrainer"]


class PretrainedTrainer(EpochwiseResume, TieHonest, Trainer):
    """``pretrain_epochs`` with the model's first loss, then RecBole's training with early stopping and a new optimiser.

    For models with ``start_finetuning()``.
    """

    def __init__(self, config: Config, model: Any) -> None:
        super().__init__(config, model)
        self.pretrain_epochs = settings_of(PretrainingSettings, config).pretrain_epochs

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float]]:
        if not (saved and phase_left(self.last) == "train"):
            self.phase = "pretrain"
            self._begin(train_data, saved)
            for epoch in range(self.start_epoch, self.pretrain_epochs):
                started = time.perf_counter()
                loss = self._train_epoch(train_data, epoch, show_progress=show_progress)
                self.log_values("pretrain", {"loss": loss}, epoch)
                self.logger.info(f"pretraining epoch {epoch} [{time.perf_counter() - started:.2f} s, loss {loss:.1f}]")
            self.phase, self.start_epoch = "train", 0
        self.model.start_finetuning()
        self.optimizer = self._build_optimizer()
        best: tuple[float, dict[str, float]]
        best = super().fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        return best
