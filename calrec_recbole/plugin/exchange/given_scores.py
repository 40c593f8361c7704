"""Any system as a model of a comparison: its scores, or its top-K lists, come from a file."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation.score_files import NOT_LISTED, check_scores, list_notes, read_scores
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import input_hashes
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.tie_aware_trainer import UntrainedTrainer
from calrec_recbole.runs.results import RunResult, read_result
from calrec_recbole.runs.run_folder import METRICS_FILE, run_id
from calrec_recbole.setting_files import read_settings
from calrec_recbole.setting_groups import no_effect, settings_of

__all__ = ["GivenScores", "GivenScoresTrainer", "ScoresSettings", "evaluated_before"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoresSettings:
    """``scores_file``: scores of the test users; ``system``: what tables call it."""

    scores_file: str = no_effect("")  # what is in it has: see input_hashes
    system: str = no_effect("")


class GivenScores(SequentialRecommender):
    """The scores of ``scores_file``, see ``read_scores``. An item that a user's list lacks ranks last in both cases."""

    input_type = InputType.POINTWISE
    setting_groups = (ScoresSettings,)
    unretrieved = NOT_LISTED

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        prepared, self.file = dataset.prepared, settings_of(ScoresSettings, config).scores_file
        test = prepared.splits[2].inter_feat
        tested = test[self.USER_ID].numpy()
        self.row_of = torch.full((len(prepared.users),), -1)
        self.row_of[tested] = torch.arange(len(tested))
        self.table = read_scores(Path(self.file), [prepared.users[user] for user in tested], prepared.items[1:])
        self.given_lists = self._lists(test[self.ITEM_ID].numpy() - 1)
        for line in list_notes(self.given_lists, Path(self.file).name):
            logger.warning(line)

    @classmethod
    def check_settings(cls, config: Any, processes: int) -> None:
        """Raises ``CalrecError`` before the data are read."""
        file = settings_of(ScoresSettings, config).scores_file
        if not file:
            raise ConfigError("scores_file is empty: name the file of scores")
        check_scores(Path(file))

    def _lists(self, targets: np.ndarray) -> dict[str, int]:
        """What ``list_notes`` tells of the file: its targets, how many of them no list holds, the length of the
        shortest of the lists that lack theirs, and the lists that cut a tie; empty where every item has a score.
        """
        missing, shortest = 0, self.n_items - 1
        for rows in np.array_split(np.arange(len(targets)), max(1, len(targets) // 512)):
            scores = self.table.block(rows, self.n_items - 1)
            unlisted = scores[np.arange(len(rows)), targets[rows]] == NOT_LISTED
            missing += int(unlisted.sum())
            shortest = int((scores[unlisted] > NOT_LISTED).sum(axis=1).min(initial=shortest))
        found = {"unlisted": missing, "cut_ties": self.table.cut_ties}
        return {"targets": len(targets), "shortest": shortest, **found} if any(found.values()) else {}

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float64, the pad item -inf. Raises ``DataError`` for a user who is not tested."""
        rows = self.row_of[interaction[self.USER_ID].cpu()].numpy()
        if (rows < 0).any():
            raise DataError(f"{self.file} was read for the users of the test alone: it has no scores of others")
        found = torch.from_numpy(self.table.block(rows, self.n_items - 1))
        return torch.nn.functional.pad(found, (1, 0), value=-torch.inf).to(self.device)


def evaluated_before(config: Config) -> RunResult | None:
    """The result of a finished run of the same scores and system, on the same data by the same settings."""
    parent = settings_of(RunSettings, config).parent
    if not parent.is_dir():
        return None
    hashes = input_hashes(prepare(config), settings_of(SourceSettings, config))
    name = run_id(config.settings, hashes, config.groups)
    for folder in sorted(parent.glob(f"{name}*")):
        if (folder / METRICS_FILE).is_file():
            kept = read_settings(folder / "config.yaml")
            if all(kept.get(key) == config.settings.get(key) for key in ("system", "top_items")):
                return read_result(folder)
    return None


class GivenScoresTrainer(UntrainedTrainer):
    """Validates nothing: the scores are those of the test."""

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        self._save_checkpoint(0)
        return 0.0, {}
