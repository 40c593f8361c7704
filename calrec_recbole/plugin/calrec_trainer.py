"""Trains CALRec by the core's loop, in steps; validates, keeps the best weights, stops early, resumes."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recbole.trainer import Trainer
from tqdm import tqdm

from calrec_recbole.backbone import add_adapters
from calrec_recbole.durable import write_json
from calrec_recbole.plugin.calrec_evaluation import CALRecEvaluation
from calrec_recbole.training.progress import NATS, Progress
from calrec_recbole.plugin.joint import Category, own_category, record
from calrec_recbole.plugin.meter import Meter, line
from calrec_recbole.plugin.reranker import Reranker
from calrec_recbole.plugin.selection import Selection, selection_of
from calrec_recbole.plugin.sequences import longest_sequences
from calrec_recbole.plugin.sigterm import Terminated, sigterm_waits
from calrec_recbole.plugin.stages import TRAINED_ON, trained_on_before
from calrec_recbole.training import Training, nats_per_item

__all__ = ["CALRecTrainer"]


class CALRecTrainer(CALRecEvaluation, Trainer):
    """``fit`` leaves the best weights in ``checkpoint/best``, a standard transformers folder.

    While training, ``checkpoint/last`` holds the state before and after the latest validation or of at most
    ``checkpoint_minutes`` ago: an interrupted run goes on from there, on a CPU to the same bits.
    """

    resumes = True
    in_several_processes = True

    def _build_optimizer(self, **_: Any) -> None:
        return None

    @classmethod
    def reload_settings(cls, checkpoint: Path) -> dict[str, Any]:
        """A finished run is reloaded from its own weights, wherever its backbone once came from."""
        alone = {"train_stage": "finetune", "joint_datasets": [], "joint_targets": [], "selection_dataset": ""}
        return {"backbone": str(checkpoint / "best"), "pre_model_path": "", **alone} | Reranker.kept(checkpoint)

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
        metrics; with ``train_steps`` 0 the weights are validated and kept as they are.
        """
        add_adapters(self.model.backbone_model, self.model.adapter_settings, self.model.seed)
        training = self._training(train_data)
        progress = self._resume(training) if saved else self._fresh()
        selection = selection_of(self.config, self.model, valid_data) if valid_data else None
        self.validated_on = selection.name if selection else ""
        steps = training.settings.train_steps
        if selection and training.step == 0 < steps:  # of weights that stay, the validation tells
            self.logger.info(f"step 0: {self._held_out_nats(selection):.2f} nats an item, {selection.users} users")
        self.began = time.perf_counter() - progress.seconds
        with tqdm(total=steps, initial=training.step, desc="Train", unit="step", disable=not show_progress) as bar:
            reports = Meter(bar, self.device, int(self.config["report_interval"]), self._report)
            while progress.validated < steps and not self._stops(progress):
                self._train_until(self._next_stop(training, progress), training, progress, reports, saved)
                if selection:
                    score = self._validate(selection, training, progress, show_progress)
                    if callback_fn:
                        callback_fn(training.step, score)
                progress.validated = training.step
                if saved:
                    self._save(training, progress)
        if selection and steps == 0:
            self._validate(selection, training, progress, show_progress)
            if saved:
                self._save(training, progress)
                if self.model.reranker:
                    self.model.reranker.keep(self.checkpoint_dir)
        if saved and not selection:
            self.save_weights(self.checkpoint_dir, {"run": progress.run, "step": training.step})
        self._add_hparam_to_tensorboard(progress.best_score)
        self.best_valid_score, self.best_valid_result = progress.best_score, progress.best_result
        return progress.best_score, progress.best_result

    def _train_until(self, stop: int, training: Training, progress: Progress, reports: Meter, saved: bool) -> None:
        """Trains up to step ``stop``; leaves the state on disk there and every ``checkpoint_minutes``, and weights for
        good every ``keep_interval``. A SIGTERM ends it after its step, with the state written.
        """
        with sigterm_waits() as came:
            ends = partial(self._any, came)
            ended = ends()
            while training.step < stop and not ended:
                due = time.monotonic() + 60 * float(self.config["checkpoint_minutes"])
                until = min(stop, self._next_kept(training))
                training.run(until, reports.add, partial(self._pauses, came, due))
                if saved:
                    self._keep(training.step, progress)
                    self._save(training, progress)
                ended = ends()
            reports.flush()
        if ended:
            raise Terminated  # where another process was told

    def _pauses(self, came: Callable[[], bool], due: float) -> bool:
        """Whether training makes a break after the present step, to write its state."""
        return self._any(lambda: came() or time.monotonic() >= due)

    def _any(self, answer: Callable[[], bool]) -> bool:
        """Whether one of the processes says so: they stop and go on together."""
        return any(self.processes.gather(answer()))

    def _report(self, step: int, phase: str, values: dict[str, float]) -> None:
        """What the steps before ``step`` came to, to the log, TensorBoard and wandb."""
        self.logger.info(f"step {step} ({phase}): {line(values)}")
        self.log_values("train", values, step)

    def _training(self, train_data: Any) -> Training:
        model = self.model
        items, mixture = model.recommender.items, None
        sequences, categories = longest_sequences(train_data._dataset), model.categories
        if categories:
            items, sequences, mixture = model.joint_training(float(self.config["mixture_power"]))
        else:
            categories = [own_category(self.config, model.recommender.catalogue, sequences)]
        backbone, settings = model.recommender.backbone, model.training_settings
        learnt = categories if settings.train_steps else []
        self._record(learnt, mixture.shares.tolist() if mixture and learnt else [1.0] * len(learnt))
        return Training(backbone, items, sequences, settings, model.seed, self.device, mixture)

    def _record(self, categories: Sequence[Category], shares: Sequence[float]) -> None:
        if self.config["run_dir"] and self.processes.first:  # none in RecBole's HyperTuning
            seen = record(categories, shares, trained_on_before(self.config))
            write_json(Path(self.config["run_dir"]) / TRAINED_ON, seen)
        for category, share in zip(categories, shares, strict=True):
            self.logger.info(
                f"{category.name}: {share:.1%} of what is drawn, {len(category.sequences)} users, "
                f"{len(category.catalogue)} items, the newest {category.held_out} of each user held out; "
                f"{category.removed} events left out that another category holds out"
            )

    def _next_stop(self, training: Training, progress: Progress) -> int:
        """The step of the next validation; the warm-up ends with one, and so does training."""
        interval, settings = int(self.config["eval_interval"]), training.settings
        step = min((progress.validated // interval + 1) * interval, settings.train_steps)
        return min(step, settings.warmup_steps) if progress.validated < settings.warmup_steps else step

    def _stops(self, progress: Progress) -> bool:
        return progress.worse >= int(self.config["stopping_step"]) > 0

    def _validate(self, selection: Selection, training: Training, progress: Progress, show_progress: bool) -> float:
        score, result, nats = self._judged(selection, show_progress)
        better = score > progress.best_score
        mark = "best so far" if better else f"best was {abs(progress.best_score):.5f} at step {progress.best_step}"
        told = f"valid {self.valid_metric} {score:.5f} ({mark}), {nats:.2f} nats an item"
        told = told if self.ranks else f"{nats:.5f} nats an item ({mark}), no ranks by retrieval=none"
        self.logger.info(f"step {training.step}: {told}, {selection.users} users of {selection.name}")
        self.log_values("valid", {**result, **self.scored(score), NATS: nats}, training.step)
        if better:
            progress.best_score, progress.best_step, progress.best_result = score, training.step, result
            progress.best_nats, progress.users = nats, selection.users
        progress.worse = 0 if better or training.in_warmup else progress.worse + 1
        return score

    def _judged(self, selection: Selection, show_progress: bool) -> tuple[float, dict[str, float], float]:
        """The score of the present weights, higher is better, the metrics, and the nats of a held-out item."""
        if not self.ranks:
            self.validated_users, nats = selection.users, self._held_out_nats(selection)
            return -nats, {NATS: nats}, nats
        with selection.served(self.model):
            score, result = self._valid_epoch(selection.data, show_progress)
        return score, result, self._held_out_nats(selection)

    def _held_out_nats(self, selection: Selection) -> float:
        dataset = selection.data._dataset
        rows, targets = dataset.inter_feat, dataset.inter_feat[dataset.iid_field].tolist()
        pairs = [(history, target - 1) for history, target in zip(self.model.histories(rows), targets, strict=True)]
        own = self.processes.share(pairs)
        with selection.served(self.model):
            recommender = self.model.recommender
            nats = nats_per_item(recommender.backbone, recommender.items, own) if own else 0.0
        return sum(self.processes.gather(nats * len(own))) / len(pairs)
