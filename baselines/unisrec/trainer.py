"""Trains UniSRec: on the target as RecBole does, or first on several data sets at once (``train_stage: pretrain``)."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from recbole.trainer import Trainer
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from tqdm import tqdm

from calrec_recbole.baselines.unisrec.contrast import augment, in_batch_contrast
from calrec_recbole.baselines.unisrec.pretraining_data import Batch, Sources, read_sources
from calrec_recbole.baselines.unisrec.training_modes import RELOADED, sources_of
from calrec_recbole.plugin.train_stages import PRETRAIN
from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest

__all__ = ["UniSRecTrainer"]


class UniSRecTrainer(EpochwiseResume, TieHonest, Trainer):
    """``pretrain`` leaves its weights in the run's checkpoint folder, for ``pre_model_path``. Its metrics are then
    the pretrained model's on the target, of which it has seen nothing unless ``pretrain_datasets`` names it. An
    interrupted pretraining starts clean, any other training resumes.
    """

    @classmethod
    def reload_settings(cls, checkpoint: Path) -> dict[str, Any]:
        return dict(RELOADED)

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        """RecBole's, but for ``pretrain``, which validates once, at its end."""
        if self.model.settings.train_stage != PRETRAIN:
            best: tuple[float, dict[str, float] | None]
            best = super().fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
            return best
        self._pretrain(saved, show_progress)
        if valid_data:
            self.best_valid_score, self.best_valid_result = self._valid_epoch(valid_data, show_progress)
            self.log_values("valid", self.best_valid_result, self.model.settings.pretrain_epochs)
            if callback_fn:
                callback_fn(self.model.settings.pretrain_epochs - 1, self.best_valid_score)
        if saved:
            self._save_checkpoint(self.model.settings.pretrain_epochs - 1)
        return self.best_valid_score, self.best_valid_result

    def _pretrain(self, saved: bool, show_progress: bool) -> None:
        settings, prepared = self.model.settings, sources_of(self.model.settings, self.model.prepared)
        sources = read_sources(prepared, settings.word_drop_ratio, self.model.max_seq_length)
        self.logger.info(
            f"pretraining on {', '.join(source.name for source in prepared)}: "
            f"{sources.n_items} items, {len(sources)} rows"
        )
        self.tensorboard.begin(perf_counter())
        for epoch in range(settings.pretrain_epochs):
            started = perf_counter()
            loss = self._pretrain_epoch(sources, show_progress)
            self.log_values("pretrain", {"loss": loss}, epoch)
            self.logger.info(f"pretraining epoch {epoch}: loss {loss:.4f}, {perf_counter() - started:.1f} s")
            if saved:
                self._save_checkpoint(epoch)

    def _pretrain_epoch(self, sources: Sources, show_progress: bool) -> float:
        """The mean loss over the batches."""
        self.model.train()
        losses = []
        batches = sources.epoch(self.model.settings.pretrain_batch_size)
        for batch in tqdm(batches, desc="Pretrain", unit="batch", disable=not show_progress, leave=False):
            self.optimizer.zero_grad()
            loss = self._contrast(batch, sources)
            self._check_nan(loss)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    def _contrast(self, batch: Batch, sources: Sources) -> Tensor:
        """Section 2.2, sequence-item contrast + lambda x sequence-sequence contrast -> scalar, nats."""
        model, settings = self.model, self.model.settings
        changed, changed_lengths = augment(
            batch.item_seq,
            batch.lengths,
            sources.n_items,
            settings.item_drop_ratio,
            settings.item_drop_coefficient,
        )
        # every text of the batch passes the adaptor once; sorted, so that the pad keeps place 0
        ids = torch.cat([part.flatten() for part in (torch.zeros(1, dtype=torch.long), batch.item_seq, changed)])
        needed, places = torch.cat([ids, batch.targets]).unique(return_inverse=True)
        _, seq, changed, targets = places.to(self.device).split(
            [1, batch.item_seq.numel(), changed.numel(), len(batch.targets)]
        )
        items = model.moe_adaptor(sources.features[needed].to(self.device))
        lengths, changed_lengths = batch.lengths.to(self.device), changed_lengths.to(self.device)
        # encoded again in the backward pass: 8,192 rows and their other views would not fit in 8 GB at once
        users, others = (
            checkpoint(model, part.view_as(batch.item_seq), length, items=items, use_reentrant=False)
            for part, length in ((seq, lengths), (changed, changed_lengths))
        )
        to_items = in_batch_contrast(users, items[targets], targets, model.temperature)
        to_users = in_batch_contrast(users, others, targets, model.temperature)
        loss: Tensor = to_items + settings.contrast_weight * to_users
        return loss
