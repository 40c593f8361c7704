"""Last Item Repeater (paper, section 4): BM25 over all items with the text of the last item bought. Learns nothing."""

from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor

from calrec_recbole.plugin.calrec.retriever import bm25_of, check_engines
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.setting_groups import settings_of

__all__ = ["LIR"]


class LIR(SequentialRecommender):
    """Scores every item by BM25 against the last item of the history, that item included.

    Settings: ``retrieval`` (lucene, okapi, milvus), ``bm25_k1``, ``bm25_b``, ``milvus_*``.
    Items of equal text tie exactly.
    """

    input_type = InputType.POINTWISE
    setting_groups = (RetrievalSettings,)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.texts = dataset.prepared.catalogue.texts
        self.engine = bm25_of(settings_of(RetrievalSettings, config), self.texts)

    @classmethod
    def check_settings(cls, config: Any, processes: int) -> None:
        """Raises ``ConfigError`` before the data are read."""
        check_engines(settings_of(RetrievalSettings, config), RerankSettings())

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Histories ``item_seq`` (B, L), ``item_seq_len`` (B,) -> (B, n_items) float64 scores, the pad item's -inf."""
        histories, lengths = interaction[self.ITEM_SEQ].cpu(), interaction[self.ITEM_SEQ_LEN].cpu()
        last = histories.gather(1, lengths[:, None] - 1)[:, 0]
        found = self.engine.scores([self.texts[item - 1] for item in last.tolist()])  # internal ids begin at 1
        scores = torch.full((len(last), self.n_items), -torch.inf, dtype=torch.float64)
        scores[:, 1:] = torch.from_numpy(found)
        return scores.to(self.device)
