"""Trains CALRec by the core's loop, in steps; validates, keeps the best weights, stops early, resumes."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.trainer import Trainer
from tqdm import tqdm

from calrec_recbole.durable import recover_folder, replacing_folder, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.best_weights import best_step, check_best
from calrec_recbole.plugin.calrec import longest_sequences
from calrec_recbole.plugin.calrec_progress import Progress
from calrec_recbole.plugin.meter import Meter, line
from calrec_recbole.plugin.model_card import model_card
from calrec_recbole.plugin.sigterm import sigterm_waits
from calrec_recbole.plugin.trainer import TieHonest
from calrec_recbole.training import Training, load_state, nats_per_item, save_state

__all__ = ["CALRecTrainer"]


class CALRecTrainer(TieHonest, Trainer):
    """``fit`` leaves the best weights in ``checkpoint/best``, a standard transformers folder.

    While training, ``checkpoint/last`` holds the state before and after the latest validation or of at most
    ``checkpoint_minutes`` ago: an interrupted run goes on from there, on a CPU to the same bits. It is written before
    the best weights, which it holds too at that moment: a kill between the two loses neither.
    """

    resumes = True

    def _build_optimizer(self, **_: Any) -> None:
        return None

    @property
    def last(self) -> Path:
        return self.checkpoint_dir / "last"

    @property
    def best(self) -> Path:
        return self.checkpoint_dir / "best"

    @classmethod
    def reload_settings(cls, checkpoint: Path) -> dict[str, Any]:
        """A finished run is reloaded from its own weights, wherever its backbone once came from."""
        return {"backbone": str(checkpoint / "best")}

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        with replacing_folder(folder / "best") as temporary:
            self.model.save_weights(temporary)
            parameters = sum(parameter.numel() for parameter in self.model.parameters())
            model_card(self.config, parameters, state).save(temporary / "README.md")
            write_json(temporary / "state.json", state)

    def load_weights(self, folder: Path) -> None:
        check_best(folder / "best")
        self.model.load_weights(folder / "best")

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Trains up to ``train_steps`` or until ``valid_metric`` no longer improves -> the best score and its
        metrics.
        """
        training = self._training(train_data)
        progress = self._resume(training) if saved else self._fresh()
        sampled = self._validation_sample(valid_data) if valid_data else None
        if sampled and training.step == 0:
            self.logger.info(f"step 0: {self._held_out_nats(sampled):.2f} nats an item, {len(sampled._dataset)} users")
        self.began = time.perf_counter() - progress.seconds
        steps = training.settings.train_steps
        with tqdm(total=steps, initial=training.step, desc="Train", unit="step", disable=not show_progress) as bar:
            reports = Meter(bar, self.device, int(self.config["report_interval"]), self._report)
            while progress.validated < steps and not self._stops(progress):
                self._train_until(self._next_stop(training, progress), training, progress, reports, saved)
                if sampled:
                    score = self._validate(sampled, training, progress, show_progress)
                    if callback_fn:
                        callback_fn(training.step, score)
                progress.validated = training.step
                if saved:
                    self._save(training, progress)
        if saved and not sampled:
            self.save_weights(self.checkpoint_dir, {"run": progress.run, "step": training.step})
        self._add_hparam_to_tensorboard(progress.best_score)
        self.best_valid_score, self.best_valid_result = progress.best_score, progress.best_result
        return progress.best_score, progress.best_result

    def _train_until(self, stop: int, training: Training, progress: Progress, reports: Meter, saved: bool) -> None:
        """Trains up to step ``stop``; leaves the state on disk there and every ``checkpoint_minutes``. A SIGTERM ends
        it after its step, with the state written.
        """
        with sigterm_waits() as ends:
            while training.step < stop and not ends():
                due = time.monotonic() + 60 * float(self.config["checkpoint_minutes"])
                training.run(stop, reports.add, partial(self._pauses, ends, due))
                if saved:
                    self._save(training, progress)
            reports.flush()

    def _pauses(self, ends: Callable[[], bool], due: float) -> bool:
        """Whether training makes a break after the present step, to write its state."""
        return ends() or time.monotonic() >= due

    def _save(self, training: Training, progress: Progress) -> None:
        """The state, then the best weights where they are the present ones."""
        progress.seconds = time.perf_counter() - self.began
        save_state(training, progress.saved(), self.last)
        self._keep_best(training, progress)

    def _keep_best(self, training: Training, progress: Progress) -> None:
        """``checkpoint/best`` as ``progress`` says; after a kill in ``_save`` it may be one validation older."""
        if progress.best_step < 0 or best_step(self.best, progress.run) == progress.best_step:
            return
        if progress.best_step != training.step:
            raise DataError(
                f"checkpoint {self.best} does not hold the weights of step {progress.best_step}, as {self.last} says: "
                f"remove {self.checkpoint_dir} to start anew"
            )
        state = {"run": progress.run, "step": progress.best_step, self.valid_metric: progress.best_score}
        state |= {"nats": progress.best_nats, "users": progress.users, "valid": progress.best_result}
        self.save_weights(self.checkpoint_dir, state)

    def _report(self, step: int, phase: str, values: dict[str, float]) -> None:
        """What the steps before ``step`` came to, to the log, TensorBoard and wandb."""
        self.logger.info(f"step {step} ({phase}): {line(values)}")
        self.log_values("train", values, step)

    def evaluate_ranks(self, eval_data: Any, show_progress: bool = False) -> RankTable:
        shares = self.model.count_samples_anew()
        table: RankTable = super().evaluate_ranks(eval_data, show_progress)
        self.diagnostics = {"samples": shares.summary()}
        self.logger.info(f"samples of {len(table)} users: {shares.summary()}")
        return table

    def finished(self) -> None:
        """Called when the run is complete: the state for resuming is no longer needed."""
        shutil.rmtree(self.last, ignore_errors=True)

    def _training(self, train_data: Any) -> Training:
        model = self.model
        return Training(
            model.recommender.backbone,
            model.recommender.items,
            longest_sequences(train_data._dataset),
            model.training_settings,
            model.seed,
            self.device,
        )

    def _fresh(self) -> Progress:
        return Progress(self.config["run_id"] or "", vocabulary_hash(self.model.recommender.backbone.tokenizer))

    def _resume(self, training: Training) -> Progress:
        """Where an interrupted run of these settings stood, or the beginning."""
        recover_folder(self.last)
        recover_folder(self.best)
        fresh = self._fresh()
        if not self.last.is_dir():
            shutil.rmtree(self.best, ignore_errors=True)  # of an attempt whose state somebody removed
            return fresh
        progress = Progress.loaded(load_state(training, self.last), fresh, str(self.last))
        self._keep_best(training, progress)
        if progress.best_step >= 0:
            check_best(self.best)
        self.resumed_seconds = progress.seconds
        self.tensorboard.resume(training.step)
        self.logger.info(f"resumed at step {training.step} from {self.last}, after {progress.seconds:.0f} s")
        return progress

    def _next_stop(self, training: Training, progress: Progress) -> int:
        """The step of the next validation; the warm-up ends with one, and so does training."""
        interval, settings = int(self.config["eval_interval"]), training.settings
        step = min((progress.validated // interval + 1) * interval, settings.train_steps)
        return min(step, settings.warmup_steps) if progress.validated < settings.warmup_steps else step

    def _stops(self, progress: Progress) -> bool:
        return progress.worse >= int(self.config["stopping_step"]) > 0

    def _validation_sample(self, valid_data: Any) -> Any:
        """A loader over ``valid_users`` users, drawn once by the seed; the whole ``valid_data`` where that is 0."""
        rows, wanted = len(valid_data._dataset.inter_feat), int(self.config["valid_users"])
        if not 0 < wanted < rows:
            return valid_data
        chosen = np.sort(np.random.default_rng([self.model.seed, 2]).permutation(rows)[:wanted])
        dataset = valid_data._dataset.copy(valid_data._dataset.inter_feat[chosen])
        return FullSortEvalDataLoader(self.config, dataset, valid_data._sampler, shuffle=False)

    def _validate(self, data: Any, training: Training, progress: Progress, show_progress: bool) -> float:
        score, result = self._valid_epoch(data, show_progress)
        nats = self._held_out_nats(data)
        better = score > progress.best_score
        mark = "best so far" if better else f"best was {progress.best_score:.5f} at step {progress.best_step}"
        self.logger.info(
            f"step {training.step}: valid {self.valid_metric} {score:.5f} ({mark}), {nats:.2f} nats an item, "
            f"{len(data._dataset)} users"
        )
        self.log_values("valid", {**result, self.valid_metric: score, "nats_per_item": nats}, training.step)
        if better:
            progress.best_score, progress.best_step, progress.best_result = score, training.step, result
            progress.best_nats, progress.users = nats, len(data._dataset)
        progress.worse = 0 if better or training.in_warmup else progress.worse + 1
        return score

    def _held_out_nats(self, data: Any) -> float:
        rows = data._dataset.inter_feat
        targets = rows[data._dataset.iid_field].tolist()
        pairs = [(history, target - 1) for history, target in zip(self.model.histories(rows), targets, strict=True)]
        return nats_per_item(self.model.recommender.backbone, self.model.recommender.items, pairs)


def vocabulary_hash(tokenizer: Any) -> str:
    """The same for tokenizers of the same tokens and ids."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:16]
