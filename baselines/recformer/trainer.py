"""Trains Recformer (Li et al., KDD 2023): pretraining, or the two-stage fine-tuning of its Algorithm 1."""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.trainer import Trainer
from torch import Tensor
from tqdm import tqdm

from calrec_recbole.baselines.recformer.longformer import pieces
from calrec_recbole.baselines.recformer.model import WEIGHTS
from calrec_recbole.baselines.recformer.prefix_rows import Rows, draw_rows, rows_of
from calrec_recbole.baselines.recformer.pretraining import Pretraining, batches
from calrec_recbole.baselines.recformer.stage_resume import resume_stage, save_stage
from calrec_recbole.durable_files import replacing_folder, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.train_stages import FINETUNE, PRETRAIN
from calrec_recbole.plugin.training.epoch_resume import LAST
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest
from calrec_recbole.training.optimiser import learning_rate, optimisers
from calrec_recbole.training.settings import TrainingSettings

__all__ = ["RecformerTrainer"]

PRETRAINING = 0  # beside the stages 1 and 2 of fine-tuning; each draws its own rows


@dataclass
class Best:
    """The weights and the table that validated best, kept in memory."""

    score: float = -float("inf")
    when: str = "never"
    result: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    table: Tensor | None = None


class RecformerTrainer(TieHonest, Trainer):
    """An epoch sees one row of every user, its target drawn anew, as the authors' does, not every prefix.

    Stage 1 re-encodes the item table at every epoch's start; stage 2 goes on from the best weights and their table,
    which stays. Validation ranks by the table that the epoch was trained against. An interrupted fine-tuning goes on
    from the start of its epoch, an interrupted pretraining starts clean.
    """

    resumes = True

    def _build_optimizer(self, **_: Any) -> None:
        return None

    @classmethod
    def reload_settings(cls, checkpoint: Path) -> dict[str, Any]:
        """A finished run is reloaded from its own weights, wherever they once came from."""
        return {"recformer_backbone": str(checkpoint / WEIGHTS), "pre_model_path": "", "train_stage": FINETUNE}

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        with replacing_folder(folder / WEIGHTS) as temporary:
            self.model.save_weights(temporary)
            write_json(temporary / "state.json", state)

    def load_weights(self, folder: Path) -> None:
        if not (folder / WEIGHTS / "state.json").is_file():
            raise DataError(f"checkpoint {folder} holds no trained weights: the run has not finished; run it again")
        self.model.load_weights(folder / WEIGHTS)

    @property
    def steps_at_most(self) -> int:
        """The epochs of both stages."""
        return int(self.model.settings.epochs + self.model.settings.stage2_epochs)

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """-> the best ``valid_metric`` and all metrics of that validation."""
        self.best, self.saved, self.show_progress, self.callback_fn = Best(), saved, show_progress, callback_fn
        self.valid_data, self.epochs_done, self.started = valid_data, 0, time.perf_counter()
        if self.model.stage == PRETRAIN:
            self._pretrain()
        else:
            self._finetune(rows_of(train_data._dataset))
        if saved and not self.best.weights:  # nothing was validated
            self.save_weights(self.checkpoint_dir, {"epochs": self.epochs_done})
        self.best_valid_score, self.best_valid_result = self.best.score, self.best.result
        return self.best.score, self.best.result

    # Fine-tuning

    def _finetune(self, rows: Rows) -> None:
        users = rows.users.numpy()
        settings = self.model.settings
        stages = ((settings.epochs, settings.stopping_step), (settings.stage2_epochs, settings.stage2_stopping_step))
        self._prepare(len(np.unique(users)), settings.epochs + settings.stage2_epochs)
        resumed_stage, first = resume_stage(self) if self.saved else (1, 0)
        self.tensorboard.begin(self.started - self.resumed_seconds, self.resumed_seconds)
        for stage, (epochs, patience) in enumerate(stages, 1):
            if stage >= resumed_stage:
                self._stage(stage, rows, users, range(first, epochs), patience)
                self._restore()
                first = self.cur_step = 0

    def _stage(self, stage: int, rows: Rows, users: np.ndarray, epochs: range, patience: int) -> None:
        every = self.model.settings.eval_step
        for epoch in epochs:
            if self.saved:
                save_stage(self, stage, epoch)
            if stage == 1:
                self.model.refresh_table()
            drawn = draw_rows(users, False, self._rng(stage, epoch))
            line = f"stage {stage}, epoch {epoch + 1}"
            line += self._epoch(line, drawn, lambda chosen: self._row_losses(rows, chosen))
            if self.valid_data and ((epoch + 1) % every == 0 or epoch + 1 == epochs.stop):
                self.cur_step = 0 if self._validate(line) else self.cur_step + 1
                if self.cur_step >= patience > 0:
                    self.logger.info(f"stage {stage} ends: {patience} validations without a better one")
                    return
            else:
                self.logger.info(line)
        self.logger.info(f"stage {stage} ends by its budget of {epochs.stop} epochs")

    def finished(self) -> None:
        """Called when the run is complete: the state for resuming is no longer needed."""
        shutil.rmtree(self.checkpoint_dir / LAST, ignore_errors=True)

    def _row_losses(self, rows: Rows, chosen: Sequence[int]) -> Iterable[Tensor]:
        """Parts that add up to the batch's mean loss, one a micro-batch, so that each can be backpropagated alone."""
        sequences = [self.model.sequence(rows.history(row)) for row in chosen]
        targets = rows.targets[list(chosen)].to(self.device)
        for piece in pieces(sequences, self.model.window, self.model.tokens_at_once):
            mean = self.model.loss([sequences[row] for row in piece], targets[piece])
            yield mean * (len(piece) / len(chosen))

    def _validate(self, line: str) -> bool:
        """Whether the weights are the best so far; if so they are kept."""
        score, result = self._valid_epoch(self.valid_data, self.show_progress)
        better = score > self.best.score
        mark = "best so far" if better else f"best was {self.best.score:.5f} in {self.best.when}"
        self.logger.info(f"{line}; valid {self.valid_metric} {score:.5f} ({mark})")
        self.log_values("valid", {**result, self.valid_metric: score}, self.epochs_done)
        if better:
            self.keep(score, line.partition(":")[0], result)
            if self.saved:
                self.save_weights(self.checkpoint_dir, {"epoch": self.best.when, self.valid_metric: score})
        if self.callback_fn:
            self.callback_fn(self.epochs_done - 1, score)
        return better

    # Pretraining

    def _pretrain(self) -> None:
        settings = self.model.settings
        pretraining = Pretraining(self.model, settings.mlm_weight, settings.mlm_probability)
        train, valid = pretraining.data.train, pretraining.data.valid
        users, epochs = train.users.numpy(), settings.pretrain_epochs
        names = ", ".join(pretraining.data.names)
        self.logger.info(
            f"pretraining on {names}: {len(pretraining.data.attributes)} items, {len(train.users)} training rows, "
            f"{len(valid.users)} validation rows"
        )
        frozen = self.model.network.get_input_embeddings().weight
        frozen.requires_grad_(self.model.source == "scratch")  # a pretrained vocabulary stays as it is
        self._prepare(len(np.unique(users)), epochs)
        self.tensorboard.begin(self.started)
        for epoch in range(epochs):
            self.rng, line = self._rng(PRETRAINING, epoch), f"pretraining, epoch {epoch + 1}"
            drawn = draw_rows(users, True, self.rng)
            line += self._epoch(line, drawn, lambda chosen: [pretraining.loss(chosen, self.rng)])
            accuracy = pretraining.accuracy(self.batch_size)
            better = accuracy > self.best.score
            mark = "best so far" if better else f"best was {self.best.score:.4f} in {self.best.when}"
            self.logger.info(f"{line}; accuracy {accuracy:.4f} among {self.batch_size} ({mark})")
            if better:
                self.keep(accuracy, line.partition(":")[0], {})
        self._restore()
        frozen.requires_grad_(True)
        self.model.refresh_table()
        self.best = Best()
        if self.valid_data:
            self._validate(f"pretrained, on {self.run.dataset}")

    # Both

    def _prepare(self, users: int, epochs: int) -> None:
        """The optimiser, and its rate's course over all planned steps: a linear rise, then a cosine down to 5 %."""
        settings = self.model.settings
        self.batch_size = settings.train_batch_size
        self.steps_per_epoch = -(-users // self.batch_size)
        self.steps = TrainingSettings(
            train_steps=epochs * self.steps_per_epoch,
            learning_rate=settings.learning_rate,
            lr_warmup_steps=settings.lr_warmup_steps,
            lr_schedule="cosine",
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
        )
        (self.optimizer,), self.step = optimisers(self.model.network, self.steps), 0

    def _epoch(self, name: str, drawn: np.ndarray, losses: Callable[[list[int]], Iterable[Tensor]]) -> str:
        """One pass over the rows ``drawn`` -> a line on it: the mean loss in nats, rows, seconds."""
        self.model.network.train()
        started, total = time.perf_counter(), 0.0
        for chosen in tqdm(batches(drawn, self.batch_size), desc=name, unit="step", disable=not self.show_progress):
            for loss in losses(chosen):
                self._check_nan(loss)
                loss.backward()
                total += float(loss.detach()) * len(chosen)
            self._step()
        self.log_values("train", {"loss": total / len(drawn)}, self.epochs_done)
        self.epochs_done += 1
        return f": {total / len(drawn):.4f} nats, {len(drawn)} rows in {time.perf_counter() - started:.1f} s"

    def _step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), self.steps.max_grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1

    def keep(self, score: float, when: str, result: dict[str, float]) -> None:
        """The present weights and table are the best so far."""
        weights = {name: tensor.detach().clone() for name, tensor in self.model.network.state_dict().items()}
        self.best = Best(score, when, result, weights, self.model.table)

    def _restore(self) -> None:
        if self.best.weights:
            self.model.network.load_state_dict(self.best.weights)
            self.model.table = self.best.table

    def _rng(self, stage: int, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.run.seed, stage, epoch])
