"""Trains CALRec: hands RecBole's data, validation and log to the core's ``Fit``."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recbole.trainer import Trainer
from tqdm import tqdm

from calrec_recbole.backbone import add_adapters
from calrec_recbole.durable_files import write_json
from calrec_recbole.engines.xla.lazy_graph import XLA
from calrec_recbole.engines.xla.static_training import StaticTraining
from calrec_recbole.plugin.calrec.evaluator import CALRecEvaluation
from calrec_recbole.plugin.calrec.joint_data import Category, own_category, record
from calrec_recbole.plugin.calrec.stages import TRAINED_ON, trained_on_before
from calrec_recbole.plugin.calrec.validation_users import Selection, selection_of
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.plugin.reranking.reranker import Reranker
from calrec_recbole.plugin.train_stages import FINETUNE
from calrec_recbole.runs.sigterm import Terminated, sigterm_waits
from calrec_recbole.runs.step_log import Meter, line
from calrec_recbole.training import Fit, StoppedError, Training, Validation, nats_per_item
from calrec_recbole.training.progress import NATS, Progress, vocabulary_hash

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
        alone = {"train_stage": FINETUNE, "joint_datasets": [], "joint_targets": [], "selection_dataset": ""}
        return {"backbone": str(checkpoint / "best"), "pre_model_path": "", **alone} | Reranker.kept(checkpoint)

    @property
    def steps_at_most(self) -> int:
        return int(self.model.settings.training.train_steps)

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
        add_adapters(self.model.backbone_model, self.model.settings.adapters, self.model.seed)
        training = self._training()
        selection = selection_of(self.model, valid_data) if valid_data else None
        self.validated_on = selection.name if selection else ""
        bar = tqdm(desc="Train", unit="step", disable=not show_progress)
        log = Meter(bar, self.device, self.model.settings.fit.report_interval, self._report)
        fit = self._fit_of(training, log, saved)
        resumed = fit.resume()
        self.resumed_seconds = fit.progress.seconds if resumed else 0.0
        self.tensorboard.begin(fit.began, self.resumed_seconds, training.step if resumed else None)
        training.plan()
        self._write_plan(training, fit)
        bar.reset(training.settings.train_steps)
        bar.update(training.step)
        if selection:
            fit.validate = partial(self._validate, selection, fit, show_progress, callback_fn)
            if training.step == 0 < training.settings.train_steps:  # of weights that stay, the validation tells
                self.logger.info(f"step 0: {self._held_out_nats(selection):.2f} nats an item, {selection.users} users")
        try:
            found = fit.run()
        except StoppedError:
            raise Terminated from None  # where another process was asked to stop
        finally:
            bar.close()
        self.began = fit.began
        steps = training.settings
        if 0 < found.best_step <= steps.warmup_steps < steps.train_steps:
            self.logger.warning(
                f"the best weights are those of step {found.best_step}, with the loss on every item alone: they never "
                f"saw Eq. 4 (warmup_steps={steps.warmup_steps}, train_steps={steps.train_steps})"
            )
        if saved and self.model.reranker and not training.settings.train_steps:
            self.model.reranker.keep(self.checkpoint_dir)
        self._add_hparam_to_tensorboard(found.best_score)
        self.best_valid_score, self.best_valid_result = found.best_score, found.best_result
        return found.best_score, found.best_result

    def _fit_of(self, training: Training, log: Meter, saved: bool) -> Fit:
        fresh = Progress(self.run_id, vocabulary_hash(self.model.recommender.backbone.tokenizer))
        return Fit(
            training,
            self.model.settings.fit,
            fresh,
            log,
            self.write_weights,
            self.checkpoint_dir if saved else None,
            score_name=self.valid_metric if self.ranks else "",
            stop_requests=sigterm_waits,
        )

    def _write_plan(self, training: Training, fit: Fit) -> None:
        if training.settings.train_steps:
            planned = {name: value for name, value in training.planned().items() if name in self.asked}
            self.keep_plan(
                {**planned, "train_minutes": 0.0, "packing": training.packed, "eval_interval": fit.eval_interval}
            )

    def _report(self, step: int, phase: str, values: dict[str, float]) -> None:
        """What the steps before ``step`` came to, to the log, TensorBoard and wandb."""
        self.logger.info(f"step {step} ({phase}): {line(values)}")
        self.log_values("train", values, step)

    def _training(self) -> Training:
        model = self.model
        items, mixture = model.recommender.items, None
        categories = model.categories
        if categories:
            items, sequences, mixture = model.joint_training(model.settings.stage.mixture_power)
        else:
            sequences = training_sequences(model.prepared.events)
            categories = [own_category(model.prepared, sequences)]
        backbone, settings = model.recommender.backbone, model.settings.training
        learnt = categories if settings.train_steps else []
        self._record(learnt, mixture.shares.tolist() if mixture and learnt else [1.0] * len(learnt))
        kind = StaticTraining if self.device.type == XLA else Training
        return kind(backbone, items, sequences, settings, model.seed, self.device, mixture)

    def _record(self, categories: Sequence[Category], shares: Sequence[float]) -> None:
        if self.run_dir and self.processes.first:  # none in RecBole's HyperTuning
            seen = record(categories, shares, trained_on_before(self.model.settings.stage.pre_model_path))
            write_json(self.run_dir / TRAINED_ON, seen)
        for category, share in zip(categories, shares, strict=True):
            self.logger.info(
                f"{category.name}: {share:.1%} of what is drawn, {len(category.sequences)} users, "
                f"{len(category.catalogue)} items, the newest {category.held_out} of each user held out; "
                f"{category.removed} events left out that another category holds out"
            )

    def _validate(
        self,
        selection: Selection,
        fit: Fit,
        show_progress: bool,
        callback_fn: Callable[[int, float], None] | None,
    ) -> Validation:
        score, result, nats = self._judged(selection, show_progress)
        step, best = fit.training.step, fit.progress
        mark = "best so far"
        if score <= best.best_score:
            was = "before" if fit.settings.takes_last else "best was"
            mark = f"{was} {abs(best.best_score):.5f} at step {best.best_step}"
        text = f"valid {self.valid_metric} {score:.5f} ({mark}), {nats:.2f} nats an item"
        text = text if self.ranks else f"{nats:.5f} nats an item ({mark}), no ranks by retrieval=none"
        self.logger.info(f"step {step}: {text}, {selection.users} users of {selection.name}")
        self.log_values("valid", {**result, **self.scored(score), NATS: nats}, step)
        if callback_fn:
            callback_fn(step, score)
        return Validation(score, result, nats, selection.users)

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
        total: float = sum(self.processes.gather(nats * len(own)))
        return total / len(pairs)
