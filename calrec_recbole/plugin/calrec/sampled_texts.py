"""Ranks in CALRec's place from the texts that a run sampled, without the weights that wrote them."""

from collections.abc import Mapping
from typing import Any

from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor

from calrec_recbole.evaluation import EvaluationSettings, RankTable
from calrec_recbole.fusion import RankCounts
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.plugin.calrec.model import padded
from calrec_recbole.plugin.calrec.retriever import HIERARCHICAL, retriever_of
from calrec_recbole.plugin.calrec.text_ranks import RanksTexts
from calrec_recbole.plugin.data.user_rows import rows_of_users
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.tie_aware_trainer import RowColumns
from calrec_recbole.recommender import TextFusion
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval import UNRETRIEVED
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.runs.user_samples import Samples
from calrec_recbole.setting_groups import settings_of

__all__ = ["SampledTexts", "SampledTextsRanker"]


class SampledTexts(SequentialRecommender):
    """Scores items by the samples that it is given; ``use`` says whose."""

    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        settings = settings_of(RetrievalSettings, config)
        self.unretrieved = UNRETRIEVED if settings.retrieval == HIERARCHICAL else None
        retriever = retriever_of(settings, settings_of(RerankSettings, config), dataset.prepared.catalogue)
        self.fusion = TextFusion(retriever, settings_of(InferenceSettings, config))
        self.user_ids, self.samples = dataset.prepared.users, dict[str, Samples]()

    def use(self, samples: Mapping[str, Samples]) -> None:
        """``samples`` by the data set's own user ids."""
        self.samples = dict(samples)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float64 scores of Algorithm 1, pad item -inf."""
        return padded(self.fusion.fused(self._of(interaction)))

    @property
    def stands(self) -> bool:
        return self.fusion.stands

    def rank_counts(self, interaction: Any, items: Tensor) -> RankCounts:
        """Where ``items`` (B, M) stand among all by the scores of ``full_sort_predict``."""
        return self.fusion.rank_counts(self._of(interaction), items.cpu().numpy() - 1)

    def _of(self, interaction: Any) -> list[Samples]:
        return [self.samples[self.user_ids[user]] for user in interaction[self.USER_ID].tolist()]


class SampledTextsRanker(RanksTexts):
    """The evaluation of ``SampledTexts``: no optimiser, no checkpoint, no curves."""

    def __init__(self, config: Any, model: SampledTexts) -> None:
        self.model, self.device, self.columns = model, config["device"], RowColumns.from_config(config)
        self.evaluation = settings_of(EvaluationSettings, config)
        self.metric_names = self.evaluation.metric_names
        self.run = settings_of(RunSettings, config)

    def ranks(self, data: Any, samples: Mapping[str, Samples], show_progress: bool = False) -> RankTable:
        """Ranks the users of ``data`` that ``samples`` has."""
        self.model.use(samples)
        rows = rows_of_users(data, set(samples))
        return self.evaluate_ranks(rows, show_progress) if rows else RankTable.concatenate([])

    def _full_sort_batch_eval(self, batch: tuple[Any, ...]) -> tuple[Any, Tensor, None, Tensor]:
        interaction, _, _, targets = batch
        return interaction, self.model.full_sort_predict(interaction), None, targets
