"""RecBole's trainers with our evaluation: ranks with ties, unrounded metrics, checkpoints without pickles.

A model with a training loop of its own brings a trainer ``class MyTrainer(TieHonest, Trainer)`` that overrides ``fit``
(and ``save_weights``/``load_weights`` where its weights are not a plain state dict), and is named in
``registry.TRAINERS``. ``fit`` calls ``_valid_epoch`` and ``_save_checkpoint`` as RecBole's does.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.trainer import Trainer
from recbole.utils import get_trainer
from torch import Tensor
from tqdm import tqdm

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.evaluation import (
    EvaluationSettings,
    GatheredLists,
    RankTable,
    TextGroups,
    metric_value,
    ranks_without,
    tie_ranks,
)
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.registry import TRAINERS, known_bases, load, model_class
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.checkpoint import load_checkpoint, save_checkpoint
from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume
from calrec_recbole.plugin.training.tensorboard import Curves, tensorboard_of
from calrec_recbole.setting_groups import settings_of

__all__ = ["TEST", "VALIDATE", "RowColumns", "Tested", "TieHonest", "UntrainedTrainer", "Validated", "trainer_for"]


VALIDATE, TEST = "Validate", "Test"  # what the bars say
Validated = Callable[[int, float], None]  # takes the step, RecBole's an epoch, and the ``valid_metric`` there


class Tested(NamedTuple):
    """``ranks`` of ``users`` test users (none where nothing retrieves); ``left``: users that a limit left out."""

    ranks: RankTable
    users: int
    left: int = 0


class RowColumns(NamedTuple):
    """RecBole's names of what it hands over of each user."""

    user: str
    history: str  # items, right-padded
    length: str  # of the history

    @classmethod
    def from_config(cls, config: Config) -> "RowColumns":
        history = config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"]
        return cls(config["USER_ID_FIELD"], history, config["ITEM_LIST_LENGTH_FIELD"])


class TieHonest:
    """Mixin, listed before a RecBole trainer among the bases; ``evaluate`` then returns our metrics by name.

    ``resumes``: whether ``fit`` can go on from what an interrupted run left in ``config["checkpoint_dir"]``; otherwise
    the runner empties the folder first.
    """

    resumes = False
    in_several_processes = False  # whether torchrun may start it
    validated_users = 0  # of the latest validation
    told = 0  # users of the present batch that the bar counts already
    diagnostics: Mapping[str, Any] = MappingProxyType({})  # of the latest evaluation, for environment.json
    text_groups: TextGroups | None = None  # of the items that are ranked
    lists: GatheredLists | None = None  # of the test, where list_metrics or top_items ask for them
    resumed_seconds = 0.0  # that interrupted runs had spent on training before this one went on

    def __init__(self, config: Config, model: Any) -> None:
        self.run, self.evaluation = settings_of(RunSettings, config), settings_of(EvaluationSettings, config)
        self.run_id = str(config["run_id"] or "")
        self.run_dir = Path(config["run_dir"]) if config["run_dir"] else None  # none in RecBole's HyperTuning
        self.valid_metric = self.evaluation.valid_metric
        with tensorboard_of(Curves.of_run(self.run_dir, self.run.log_tensorboard, self.valid_metric)):
            super().__init__(config, model)  # type: ignore[call-arg]
        self.config, self.model = config, model
        self.asked: Mapping[str, Any] = config.settings
        self.checkpoint_dir = Path(config["checkpoint_dir"])
        self.saved_model_file = str(self.checkpoint_dir)
        self.device: torch.device = config["device"]
        self.metric_names, self.columns = self.evaluation.metric_names, RowColumns.from_config(config)

    @property
    def steps_at_most(self) -> int:
        """Of the steps that ``validated`` is told, how many training takes if nothing ends it early."""
        return int(self.epochs)  # type: ignore[attr-defined]

    def train_once(
        self, train_data: Any, valid_data: Any, show_progress: bool, validated: Validated | None = None
    ) -> tuple[float, Any]:
        """``fit``, which calls ``validated`` after each validation; a trainer may find that its training is over."""
        result: tuple[float, Any] = self.fit(  # type: ignore[attr-defined]
            train_data, valid_data, saved=True, show_progress=show_progress, callback_fn=validated
        )
        return result

    # Curves

    tensorboard: Curves
    wandblogger: Any

    def log_values(self, head: str, values: Mapping[str, float], step: int) -> None:
        """``head/name`` at ``step`` to curves.csv, TensorBoard and wandb, as far as they are on; NaN is left out."""
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        self.tensorboard.add_scalars({f"{head}/{name}": value for name, value in known.items()}, step)
        self.wandblogger.log_metrics({**known, f"{head}_step": step}, head=head)

    def log_test(self, metrics: Mapping[str, float]) -> None:
        """The end of a run: to TensorBoard, which closes, and to wandb's summary."""
        self.tensorboard.add_end({f"test/{name}": value for name, value in metrics.items()})
        self.wandblogger.log_eval_metrics(metrics, head="test")
        self.tensorboard.close()

    # Evaluation

    def evaluate(
        self, eval_data: Any, load_best_model: bool = True, model_file: str | None = None, show_progress: bool = False
    ) -> dict[str, float] | None:
        """Our metrics by name, means over the users of ``eval_data``; None without users, as in RecBole."""
        if not eval_data:
            return None
        if load_best_model:
            self.load_weights(Path(model_file or self.checkpoint_dir))
        return self.evaluate_ranks(eval_data, show_progress).summary(self.metric_names)

    def test(self, test_data: Any, show_progress: bool = False) -> Tested:
        """The test of a run, of all users of ``test_data``; ``lists`` are theirs."""
        self.gather_lists(test_data)
        ranks = self.evaluate_ranks(test_data, show_progress, TEST)
        return Tested(ranks, len(ranks))

    def gather_lists(self, test_data: Any) -> None:
        """From now on the top-K lists of whom is ranked are gathered, where settings ask for them."""
        wanted = self.evaluation
        if wanted.list_metrics or wanted.top_items:
            names = [name.lower() for name in wanted.list_metrics]
            values = test_data._dataset.prepared.item_values
            self.lists = GatheredLists(names, wanted.topk, wanted.top_items, values)

    @torch.no_grad()
    def evaluate_ranks(self, eval_data: Any, show_progress: bool = False, part: str = VALIDATE) -> RankTable:
        """The pair of ranks of every user's target; scores live for one batch only. ``part`` names the bar."""
        self.text_groups = eval_data._dataset.prepared.text_groups
        tables: list[RankTable] = []
        with self._bar(part, eval_data, show_progress) as bar:
            for rows in self._batches(eval_data):
                tables.append(self._batch_ranks(rows))
                bar.update(len(rows[3]) - self.told)
                self.told = 0
        return RankTable.concatenate(tables)

    @torch.no_grad()
    def scores(self, eval_data: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """(B,) internal ids of users and their (B, n_items) scores, the pad item -inf, batch by batch."""
        for rows in self._batches(eval_data):
            interaction, scores, *_ = self._full_sort_batch_eval(rows)  # type: ignore[attr-defined]
            yield interaction[self.columns.user].cpu(), scores.cpu()

    def _batches(self, eval_data: Any) -> Iterator[tuple[Any, ...]]:
        """Those of ``eval_data`` as the model can take them."""
        self.model.eval()
        self.tot_item_num = eval_data._dataset.item_num
        self.item_tensor = eval_data._dataset.get_item_feature().to(self.device)
        for batch in eval_data:
            yield from self._parts(batch)

    def _bar(self, part: str, eval_data: Any, shown: bool) -> Any:
        """Counts users; below a bar of training it leaves nothing behind."""
        users = len(eval_data._dataset) if eval_data else 0
        self.bar = tqdm(desc=part, total=users, unit="user", disable=not shown, dynamic_ncols=True, leave=None)
        self.told = 0
        return self.bar

    def tell(self, users: int) -> None:
        """Moves the bar by ``users`` of the present batch that are done; a batch that is long may call it."""
        self.told += users
        self.bar.update(users)

    def _batch_ranks(self, batch: tuple[Interaction, None, Tensor, Tensor]) -> RankTable:
        interaction, scores, _, targets = self._full_sort_batch_eval(batch)  # type: ignore[attr-defined]
        return self._ranked(interaction, scores, targets)

    def _ranked(self, interaction: Interaction, scores: Tensor, targets: Tensor) -> RankTable:
        """The ranks of ``targets`` (B,) among ``scores`` (B, n_items)."""
        unretrieved = getattr(self.model, "unretrieved", None)
        if self.lists:
            self.lists.add(interaction[self.columns.user], scores, unretrieved)
        ranks = tie_ranks(scores, targets, self.run.model, unretrieved)
        masked = ranks_without(self._last_items(interaction), scores, targets, *ranks)
        groups = self.text_groups
        none = torch.zeros_like(targets)
        equivalent = groups.ranks(scores, targets, *ranks, unretrieved) if groups else (none, none)
        return RankTable(interaction[self.columns.user].cpu(), targets.cpu(), *ranks, *masked, *equivalent)

    def _last_items(self, interaction: Interaction) -> Tensor:
        """(B,) the newest item of each history."""
        histories, lengths = interaction[self.columns.history], interaction[self.columns.length]
        newest: Tensor = histories.gather(1, lengths[:, None] - 1)[:, 0]
        return newest

    def _parts(self, batch: tuple[Interaction, None, Tensor, Tensor]) -> Iterator[tuple[Any, ...]]:
        """Smaller batches for a model without ``full_sort_predict``: RecBole repeats each row for every item there."""
        interaction, _, _, targets = batch
        whole = type(self.model).full_sort_predict is not AbstractRecommender.full_sort_predict
        rows = len(targets) if whole else max(1, 50_000 // self.tot_item_num)
        for start in range(0, len(targets), rows):
            part = targets[start : start + rows]
            yield interaction[slice(start, start + rows)], None, torch.arange(len(part)), part

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        """The unrounded ``valid_metric`` (RecBole's has 4 digits, too few to stop early by), and all metrics."""
        table = self.evaluate_ranks(valid_data, show_progress, VALIDATE)
        self.validated_users = len(table)
        score = metric_value(self.valid_metric, table.optimistic, table.pessimistic)
        return score, table.summary(self.metric_names)

    # Checkpoints

    @classmethod
    def reload_settings(cls, checkpoint: Path) -> dict[str, Any]:
        """Settings that ``load_run`` changes before it builds the model."""
        return {}

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        """Writes the model and the JSON-able ``state`` durably into ``folder``."""
        save_checkpoint(folder, self.model, state)

    def load_weights(self, folder: Path) -> None:
        """Fills the model from ``folder``."""
        load_checkpoint(folder, self.model)

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **_: Any) -> None:
        best = float(getattr(self, "best_valid_score", math.inf))  # infinite before the first validation
        state = {
            "model": self.run.model,
            "epoch": epoch,
            self.valid_metric: best if math.isfinite(best) else None,
        }
        self.save_weights(self.checkpoint_dir, state)

    def resume_checkpoint(self, resume_file: str | Path) -> None:
        raise ConfigError(
            f"cannot resume from {resume_file}: the command of an interrupted run resumes it; load_run reloads a "
            "finished one"
        )

    def _check_nan(self, loss: Tensor) -> None:
        if torch.isnan(loss):
            raise ScoreError(f"{self.run.model}: the training loss is NaN; lower learning_rate")

    def finished(self) -> None:
        """Called once the run is complete; a trainer that resumes drops here what only resuming needs."""

    # RecBole's pretraining (S3Rec)

    def save_pretrained_model(self, epoch: int, saved_model_file: str) -> None:
        """Tensors only, in the file that RecBole's S3Rec reads by ``pre_model_path``."""
        with replacing_file(saved_model_file) as temporary:
            torch.save({"epoch": epoch, "state_dict": self.model.state_dict()}, temporary)

    def pretrain(self, train_data: Any, verbose: bool = True, show_progress: bool = False) -> Any:
        """Pretrains as RecBole does, and always saves the last epoch: RecBole saves every ``save_step`` epochs only."""
        result = super().pretrain(train_data, verbose, show_progress)  # type: ignore[misc]
        epochs: int = self.pretrain_epochs  # type: ignore[attr-defined]
        last = self.checkpoint_dir / f"{self.run.model}-{self.run.dataset}-{epochs}.pth"
        self.save_pretrained_model(epochs - 1, str(last))
        self._save_checkpoint(epochs - 1)
        return result


class UntrainedTrainer(TieHonest, Trainer):
    """Trainer of models without parameters: ``fit`` only computes the validation metrics."""

    def _build_optimizer(self, **_: Any) -> None:
        return None

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        if valid_data:
            self.best_valid_score, self.best_valid_result = self._valid_epoch(valid_data, show_progress)
            self.log_values("valid", self.best_valid_result, 0)
            if callback_fn:
                callback_fn(0, self.best_valid_score)
        if saved:
            self._save_checkpoint(0)
        return self.best_valid_score, self.best_valid_result


def trainer_for(model: str) -> type[Any]:
    """The trainer class of a model: that of the nearest known model that it is or derives from, or RecBole's usual one
    with our evaluation in front. A model without ``calculate_loss`` is not trained.
    """
    wanted = model_class(model)
    names = known_bases(wanted)
    if own := next((TRAINERS[name] for name in names if name in TRAINERS), ""):
        found: type[Any] = load(own)
        return found
    if wanted.calculate_loss is AbstractRecommender.calculate_loss:
        return UntrainedTrainer
    usual = get_trainer(wanted.type, "Usual")
    base = next((one for name in names if (one := get_trainer(wanted.type, name)) is not usual), usual)
    resumes = (EpochwiseResume,) if base is Trainer else ()  # S3Rec's fit is another
    return type(base.__name__, (*resumes, TieHonest, base), {})
