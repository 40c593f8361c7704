"""``rerank_weight: auto`` and ``rerank_unseen: auto``: validation chooses how the two stages are mixed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from calrec_recbole.evaluation import RankTable, metric_value
from calrec_recbole.experimental.unseen_bonus import BONUSES, fair_bonus
from calrec_recbole.plugin.calrec.model import padded
from calrec_recbole.plugin.training.several_processes import in_order, share_of
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest
from calrec_recbole.reranking.mixing import WEIGHTS
from calrec_recbole.training import Processes

__all__ = ["ChoosesMix"]

FOUND = 10  # rank up to which an unseen target counts as found


class ChoosesMix(TieHonest):
    """Validation of weights that another model's scores are mixed with."""

    logger: Any

    chosen: Mapping[str, Any] = MappingProxyType({})  # on validation, besides the checkpoint

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        """``rerank_weight: auto`` is the weight of the best validation, the smallest of equals; ``rerank_unseen: auto``
        is then what ``fair_bonus`` takes.
        """
        reranker = self.model.reranker
        if reranker is None or (reranker.weight is not None and reranker.bonus is not None):
            return super()._valid_epoch(valid_data, show_progress)
        self.chosen = {}
        if reranker.weight is None:
            tables = self._ranks_by_mix(valid_data, [(weight, reranker.bonus or 0.0) for weight in WEIGHTS])
            values = {weight: self._value(table) for (weight, _), table in tables.items()}
            reranker.weight = max(values, key=lambda weight: (values[weight], -weight))
            self._choose("rerank_weight", reranker.weight, {"by_weight": values})
        if reranker.bonus is None:
            tables = self._ranks_by_mix(valid_data, [(reranker.weight, bonus) for bonus in BONUSES])
            values = {bonus: self._value(table) for (_, bonus), table in tables.items()}
            found = {bonus: self._unseen_found(table) for (_, bonus), table in tables.items()}
            reranker.bonus = fair_bonus(values, found, reranker.loss)
            self._choose("rerank_unseen", reranker.bonus, {"by_unseen": values, "unseen_found": found})
        table = tables[reranker.weight, reranker.bonus]
        self.validated_users = len(table)
        return self._value(table), table.summary(self.metric_names)

    def _choose(self, setting: str, value: float, reasons: Mapping[str, Mapping[float, float]]) -> None:
        self.chosen = {**self.chosen, setting: value, **reasons}
        self.logger.info(f"{setting} {value}: {self.valid_metric} on validation, {reasons}")

    def _value(self, table: RankTable) -> float:
        return metric_value(self.valid_metric, table.optimistic, table.pessimistic)

    def _unseen_found(self, table: RankTable) -> int:
        """Targets that no training row holds up to rank 10 in the worst case of ties."""
        unseen = torch.from_numpy(self.model.reranker.unseen)[table.items - 1]
        return int((unseen & (table.pessimistic <= FOUND)).sum())

    @torch.no_grad()
    def _ranks_by_mix(
        self, valid_data: Any, mixes: Sequence[tuple[float, float]]
    ) -> dict[tuple[float, float], RankTable]:
        """The ranks of all users by each weight and bonus, from one pass."""
        self.model.eval()
        processes = Processes.present()
        found: dict[tuple[float, float], list[RankTable]] = {mix: [] for mix in mixes}
        for interaction, _, _, targets in share_of(valid_data, processes) or ():
            parts = self.model.rerank_parts(interaction.to(self.device))
            for mix, tables in found.items():
                tables.append(self._ranked(interaction, padded(parts.mixed(*mix)), targets))
        whole = {mix: RankTable.concatenate(tables) for mix, tables in found.items()}
        return {mix: in_order(processes.gather(table)) for mix, table in whole.items()}
