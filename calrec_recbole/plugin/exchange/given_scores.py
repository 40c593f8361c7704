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

from calrec_recbole.errors import ConfigError
from calrec_recbole.evaluation.score_files import NOT_LISTED, check_scores, read_scores
from calrec_recbole.plugin.training.tie_aware_trainer import UntrainedTrainer
from calrec_recbole.setting_groups import no_effect, settings_of

__all__ = ["GivenScores", "GivenScoresTrainer", "ScoresSettings"]

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
        self._warn_of_lists(test[self.ITEM_ID].numpy() - 1)

    @classmethod
    def check_settings(cls, config: Any, processes: int) -> None:
        """Raises ``CalrecError`` before the data are read."""
        file = settings_of(ScoresSettings, config).scores_file
        if not file:
            raise ConfigError("scores_file is empty: name the file of scores")
        check_scores(Path(file))

    def _warn_of_lists(self, targets: np.ndarray) -> None:
        places = np.arange(len(targets))
        missing = sum(
            int((self.table.block(rows, self.n_items - 1)[np.arange(len(rows)), targets[rows]] == NOT_LISTED).sum())
            for rows in np.array_split(places, max(1, len(places) // 512))
        )
        if missing:
            logger.warning(
                f"{self.file}: {missing} of {len(targets)} targets are not in their user's list and rank last: metrics "
                "beyond the length of the lists, and MRR, are lower bounds"
            )

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float64, the pad item -inf."""
        rows = self.row_of[interaction[self.USER_ID].cpu()].numpy()
        found = torch.from_numpy(self.table.block(rows, self.n_items - 1))
        return torch.nn.functional.pad(found, (1, 0), value=-torch.inf).to(self.device)


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
