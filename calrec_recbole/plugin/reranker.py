"""``retrieval: rerank``: the first stage of section 6's proposal; its scores and CALRec's become one ranking."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.durable import write_json
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.plugin.first_stage import LOGPROB, FirstStage, check_first_stage, first_stage
from calrec_recbole.plugin.retriever import RERANK, TEXTS
from calrec_recbole.recommender import Recommender
from calrec_recbole.reranking import candidates, combine, log_softmax, scaled, target_logprobs

__all__ = ["WEIGHTS", "Parts", "Reranker", "check_rerank"]

RERANK_FILE = "rerank.json"  # in a run's checkpoint folder: the weight that validation chose
AUTO = "auto"
WEIGHTS = tuple(step / 10 for step in range(11))  # tried on validation


class Parts(NamedTuple):
    """Of B users, each (B, n_items): first-stage scores, who is a candidate, and the two scores to be mixed."""

    first: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    own: NDArray[np.float64]
    others: NDArray[np.float64]

    def mixed(self, weight: float) -> NDArray[np.float64]:
        return combine(*self, weight)


def check_rerank(config: Mapping[str, Any]) -> None:
    """Raises ``ConfigError`` where the ``rerank_*`` settings and what they need do not fit together."""
    if config["retrieval"] != RERANK:
        if config["rerank_from"]:
            raise ConfigError(f"rerank_from={config['rerank_from']} has no effect: set retrieval=rerank")
        return
    if config["train_steps"] != 0 or (config["backbone"] == "scratch" and not config["pre_model_path"]):
        raise ConfigError(
            "retrieval=rerank ranks with finished weights: set train_steps=0, warmup_steps=0 (--config_files=untuned) "
            f"and pre_model_path, not train_steps={config['train_steps']}, pre_model_path={config['pre_model_path']!r}"
        )
    check_first_stage(config)
    way, weight = config["rerank_by"], config["rerank_weight"]
    if way not in (LOGPROB, TEXTS):
        hint = did_you_mean(str(way), (LOGPROB, TEXTS))
        raise ConfigError(f"rerank_by={way!r} must be one of {LOGPROB}, {TEXTS}{hint}")
    if weight != AUTO and not 0 <= _number(weight) <= 1:
        raise ConfigError(f"rerank_weight={weight!r} must be auto or a number from 0 (CALRec) to 1 (the first stage)")
    if config["rerank_candidates"] < 1:
        raise ConfigError(f"rerank_candidates={config['rerank_candidates']} must be at least 1")


@dataclass
class Reranker:
    """Candidates from ``first_stage``, scored again by ``way``; ``weight`` is None until validation has chosen it."""

    first_stage: FirstStage
    wanted: int
    way: str
    weight: float | None

    @classmethod
    def of(cls, config: Any, dataset: Any, recommender: Callable[[], Recommender]) -> "Reranker":
        """As the ``rerank_*`` settings say; ``recommender`` answers the one whose towers are to be read."""
        stage = first_stage(config, dataset, recommender)
        weight = None if config["rerank_weight"] == AUTO else _number(config["rerank_weight"])
        return cls(stage, int(config["rerank_candidates"]), str(config["rerank_by"]), weight)

    def parts(
        self,
        recommender: Recommender,
        interaction: Any,
        histories: list[list[int]],
        fused: Callable[[], NDArray[np.float64]],
    ) -> Parts:
        """What the ranking of the rows of ``interaction`` is mixed from; ``fused`` answers Algorithm 1's scores.

        By ``logprob`` both stages count as log-probabilities over the candidates; by ``texts`` Algorithm 1's scores
        and the first stage's are each scaled to [0, 1] over them.
        """
        first = self.first_stage(interaction, histories)
        chosen = candidates(first, self.wanted)
        if self.way == TEXTS:
            return Parts(first, chosen, scaled(fused(), chosen), scaled(first, chosen))
        own = target_logprobs(recommender.backbone, recommender.items, histories, chosen)
        return Parts(first, chosen, log_softmax(own, chosen), log_softmax(first, chosen))

    def keep(self, checkpoint: Path) -> None:
        """Writes the weight that validation chose, for whoever loads the run again."""
        write_json(checkpoint / RERANK_FILE, {"rerank_weight": self.weight})

    @staticmethod
    def kept(checkpoint: Path) -> dict[str, Any]:
        """The setting that ``keep`` wrote; none where there is none."""
        file = checkpoint / RERANK_FILE
        try:
            return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
        except ValueError as problem:
            raise DataError(f"{file} is damaged ({problem}): run it again") from problem


def _number(value: Any) -> float:
    """A number, also one written as text; NaN for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
