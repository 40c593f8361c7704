"""Trains CALRec by the core's loop, in steps; validates, keeps the best weights, stops early, resumes."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from recbole.trainer import Trainer
from tqdm import tqdm

from calrec_recbole.durable import recover_folder, replacing_folder, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.drawn import SAMPLES_FILE, write_samples
from calrec_recbole.plugin.joint import Category, own_category, record
from calrec_recbole.plugin.selection import Selection, selection_of
from calrec_recbole.plugin.sequences import longest_sequences
from calrec_recbole.plugin.stages import TRAINED_ON, trained_on_before
from calrec_recbole.plugin.trainer import TieHonest
from calrec_recbole.training import StepReport, Training, load_state, nats_per_item, save_state

__all__ = ["CALRecTrainer"]


@dataclass
class Progress:
    """What early stopping knows; saved with the training state."""

    best_score: float = -float("inf")
    best_step: int = -1
    best_result: dict[str, float] = field(default_factory=dict)
    worse: int = 0  # validations since the best one
    seconds: float = 0.0  # spent so far, also by interrupted runs
    vocabulary: str = ""  # of the tokenizer that the weights belong to


class CALRecTrainer(TieHonest, Trainer):
    """``fit`` leaves the best weights in ``checkpoint/best``, a standard transformers folder.

    While training, ``checkpoint/last`` holds the state after the latest validation: an interrupted run goes on from
    there.
    """

    resumes = True
    validated_on = ""  # data set

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
        alone = {"train_stage": "finetune", "joint_datasets": [], "joint_targets": [], "selection_dataset": ""}
        return {"backbone": str(checkpoint / "best"), "pre_model_path": "", **alone}

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        with replacing_folder(folder / "best") as temporary:
            self.model.save_weights(temporary)
            write_json(temporary / "state.json", state)

    def load_weights(self, folder: Path) -> None:
        if not (folder / "best" / "state.json").is_file():
            raise DataError(f"checkpoint {folder} holds no trained weights: the run has not finished; run it again")
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
        metrics; with ``train_steps`` 0 the weights are validated and kept as they are.
        """
        training = self._training(train_data)
        progress = self._resume(training) if saved else self._fresh()
        selection = selection_of(self.config, self.model, valid_data) if valid_data else None
        self.validated_on = selection.name if selection else ""
        if selection and training.step == 0:
            self.logger.info(f"step 0: {self._held_out_nats(selection):.2f} nats an item, {selection.users} users")
        steps = training.settings.train_steps
        with tqdm(total=steps, initial=training.step, desc="Train", unit="step", disable=not show_progress) as bar:
            while training.step < steps and not self._stops(progress):
                meter = Meter(bar)
                training.run(self._next_stop(training), meter.add)
                self.logger.info(meter.line())
                if saved and self._keeps(training.step):
                    self.model.save_weights(self.checkpoint_dir / f"step-{training.step}")
                if selection and self._validates(training):
                    score = self._validate(selection, training, progress, saved, show_progress)
                    if callback_fn:
                        callback_fn(training.step, score)
                progress.seconds += meter.seconds()
                if saved:
                    save_state(training, vars(progress), self.last)
        if selection and steps == 0:
            self._validate(selection, training, progress, saved, show_progress)
        if saved and not selection:
            self.save_weights(self.checkpoint_dir, {"step": training.step})
        self.best_valid_score, self.best_valid_result = progress.best_score, progress.best_result
        return progress.best_score, progress.best_result

    def evaluate_ranks(self, eval_data: Any, show_progress: bool = False) -> RankTable:
        shares = self.model.count_samples_anew()
        table: RankTable = super().evaluate_ranks(eval_data, show_progress)
        self.diagnostics = {"validated_on": self.validated_on, "samples": shares.summary()}
        self.logger.info(f"samples of {len(table)} users: {shares.summary()}")
        return table

    def finished(self) -> None:
        """Called when the run is complete: keeps its samples, and drops the state for resuming."""
        write_samples(Path(self.config["run_dir"]) / SAMPLES_FILE, self.model.drawn)
        shutil.rmtree(self.last, ignore_errors=True)

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
        if self.config["run_dir"]:  # none in RecBole's HyperTuning
            seen = record(categories, shares, trained_on_before(self.config))
            write_json(Path(self.config["run_dir"]) / TRAINED_ON, seen)
        for category, share in zip(categories, shares, strict=True):
            self.logger.info(
                f"{category.name}: {share:.1%} of what is drawn, {len(category.sequences)} users, "
                f"{len(category.catalogue)} items, the newest {category.held_out} of each user held out; "
                f"{category.removed} events left out that another category holds out"
            )

    def _fresh(self) -> Progress:
        return Progress(vocabulary=vocabulary_hash(self.model.recommender.backbone.tokenizer))

    def _resume(self, training: Training) -> Progress:
        """Where an interrupted run of these settings stood, or the beginning."""
        recover_folder(self.last)
        recover_folder(self.best)
        fresh = self._fresh()
        if not (self.last / "progress.json").is_file():
            return fresh
        progress = Progress(**load_state(training, self.last))
        if progress.vocabulary != fresh.vocabulary:
            raise DataError(f"checkpoint {self.last} belongs to another tokenizer: remove it to start anew")
        self.resumed_seconds = progress.seconds
        self.logger.info(f"resumed at step {training.step} from {self.last}, after {progress.seconds:.0f} s")
        return progress

    def _next_stop(self, training: Training) -> int:
        """The step of the next validation or kept checkpoint; the warm-up ends with a validation."""
        intervals = [int(self.config[name]) for name in ("eval_interval", "keep_interval") if self.config[name]]
        step = min((training.step // interval + 1) * interval for interval in intervals)
        return min(step, training.settings.warmup_steps) if training.in_warmup else step

    def _keeps(self, step: int) -> bool:
        interval = int(self.config["keep_interval"])
        return interval > 0 and step % interval == 0

    def _validates(self, training: Training) -> bool:
        ends = training.settings.warmup_steps, training.settings.train_steps
        return training.step % int(self.config["eval_interval"]) == 0 or training.step in ends

    def _stops(self, progress: Progress) -> bool:
        return progress.worse >= int(self.config["stopping_step"]) > 0

    def _validate(
        self, selection: Selection, training: Training, progress: Progress, saved: bool, show_progress: bool
    ) -> float:
        with selection.served(self.model):
            score, result = self._valid_epoch(selection.data, show_progress)
        nats = self._held_out_nats(selection)
        better = score > progress.best_score
        mark = "best so far" if better else f"best was {progress.best_score:.5f} at step {progress.best_step}"
        self.logger.info(
            f"step {training.step}: valid {self.valid_metric} {score:.5f} ({mark}), {nats:.2f} nats an item, "
            f"{selection.users} users of {selection.name}"
        )
        if better:
            progress.best_score, progress.best_step, progress.best_result = score, training.step, result
            if saved:
                self.save_weights(self.checkpoint_dir, {"step": training.step, self.valid_metric: score, "nats": nats})
        progress.worse = 0 if better or training.in_warmup else progress.worse + 1
        return score

    def _held_out_nats(self, selection: Selection) -> float:
        dataset = selection.data._dataset
        rows, targets = dataset.inter_feat, dataset.inter_feat[dataset.iid_field].tolist()
        pairs = [(history, target - 1) for history, target in zip(self.model.histories(rows), targets, strict=True)]
        with selection.served(self.model):
            return nats_per_item(self.model.recommender.backbone, self.model.recommender.items, pairs)


def vocabulary_hash(tokenizer: Any) -> str:
    """The same for tokenizers of the same tokens and ids."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:16]


class Meter:
    """Means of the step reports between two validations, shown on the progress bar and as one line of the log."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.reports: list[StepReport] = []
        self.started = bar.format_dict["elapsed"]

    def add(self, report: StepReport) -> None:
        self.reports.append(report)
        self.bar.set_postfix_str(f"{report.phase}, {report.nats_per_token:.2f} nats a token", refresh=False)
        self.bar.update()

    def seconds(self) -> float:
        """Since making."""
        return max(1e-9, float(self.bar.format_dict["elapsed"]) - self.started)

    def line(self) -> str:
        """Losses in nats, speed in tokens of history and target a second, share of pads."""
        mean = {
            name: float(np.mean([getattr(report, name) for report in self.reports]))
            for name in ("total", "nig", "tt", "ut", "nats_per_token", "gradient_norm", "padding")
        }
        seconds = self.seconds()
        last = self.reports[-1]
        return (
            f"step {last.step + 1} ({last.phase}): loss {mean['total']:.3f} (nig {mean['nig']:.3f}, "
            f"tt {mean['tt']:.3f}, "
            f"ut {mean['ut']:.3f}), {mean['nats_per_token']:.3f} nats a token, gradient {mean['gradient_norm']:.2f}, "
            f"rate {last.learning_rate:.2e}, {sum(r.tokens for r in self.reports) / seconds:.0f} tokens/s, "
            f"padding {mean['padding']:.1%}"
        )
