"""Which items follow which, and which read alike: a graph of items that is counted, not trained.

From the training events alone: an arrow for each pair of consecutive events of a user, weighted by how often it was
taken. Such graphs are the simple baseline that reviewers ask of sequential models: one hop repeats what others did
next, two hops bridge what nobody did, texts reach items without an event.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from scipy import sparse
from torch import Tensor

from calrec_recbole.plugin.calrec.retriever import bm25_of, check_engines
from calrec_recbole.reranking.rerank_settings import RerankSettings
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["GraphSettings", "TransitionGraph"]


@dataclass(frozen=True)
class GraphSettings:
    """``graph_items``: newest items of a history that vote, each older one by ``graph_decay`` less; ``two_hops`` and
    ``text_weight``: of the second hop and of the texts beside the first hop.
    """

    graph_items: int = ranged(5, "[1, inf)")
    graph_decay: float = ranged(0.5, "[0, 1]")
    two_hops: float = ranged(0.5, "[0, inf)")
    text_weight: float = ranged(0.2, "[0, inf)")

    def __post_init__(self) -> None:
        check_ranges(self)


class TransitionGraph(SequentialRecommender):
    """score(i) = sum over the newest items h_1, h_2, ... of graph_decay^(j-1) (P + two_hops P^2)[h_j, i], divided by
    what the weights sum to, + text_weight BM25(text of h_1, text of i) / its largest value.

    P is ``Events.transitions``. Items that no term reaches score 0 and tie.
    """

    input_type = InputType.POINTWISE
    setting_groups = (GraphSettings, RetrievalSettings)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.settings = settings_of(GraphSettings, config)
        self.one = dataset.prepared.events.transitions(self.n_items)
        self.steps = self.one + self.settings.two_hops * (self.one @ self.one) if self.settings.two_hops else self.one
        self.texts: tuple[str, ...] = ()
        if self.settings.text_weight:
            self.texts = dataset.prepared.catalogue.texts
            self.engine = bm25_of(settings_of(RetrievalSettings, config), self.texts)

    @classmethod
    def check_settings(cls, config: Any, processes: int) -> None:
        """Raises ``ConfigError`` before the data are read."""
        if settings_of(GraphSettings, config).text_weight:
            check_engines(settings_of(RetrievalSettings, config), RerankSettings())

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Histories (B, L), lengths (B,) -> (B, n_items) float64 scores, the pad item's -inf."""
        histories, lengths = interaction[self.ITEM_SEQ].cpu().numpy(), interaction[self.ITEM_SEQ_LEN].cpu().numpy()
        scores = (self._votes(histories, lengths) @ self.steps).toarray()
        if self.texts:
            last = histories[np.arange(len(lengths)), lengths - 1]
            found = self.engine.scores([self.texts[item - 1] for item in last.tolist()])
            best = found.max(axis=1, keepdims=True)
            scores[:, 1:] += self.settings.text_weight * found / np.where(best > 0, best, 1)
        scores[:, 0] = -np.inf
        return torch.from_numpy(scores).to(self.device)

    def _votes(self, histories: NDArray[np.int64], lengths: NDArray[np.int64]) -> sparse.csr_array:
        """(B, n_items): what each item of a history weighs; a row sums to 1."""
        age = lengths[:, None] - 1 - np.arange(histories.shape[1])
        rows, places = np.nonzero((age >= 0) & (age < self.settings.graph_items))
        weights = np.power(float(self.settings.graph_decay), age[rows, places])
        totals = np.bincount(rows, weights, len(lengths))
        entries = (weights / totals[rows], (rows, histories[rows, places]))
        return sparse.coo_array(entries, shape=(len(lengths), self.n_items)).tocsr()
