"""``retrieval: rerank``: the first stage of section 6's proposal; its scores and CALRec's become one ranking."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.durable_files import write_json
from calrec_recbole.errors import ConfigError
from calrec_recbole.experimental.unseen_bonus import unseen_items
from calrec_recbole.plugin.calrec.core_settings import CALRecSettings
from calrec_recbole.plugin.calrec.retriever import RERANK
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.plugin.reranking.candidate_source import FirstStage, check_first_stage, first_stage
from calrec_recbole.recommender import Recommender
from calrec_recbole.reranking.candidates import candidates, log_softmax, scaled, target_logprobs
from calrec_recbole.reranking.mixing import Parts
from calrec_recbole.reranking.rerank_settings import AUTO, LOGPROB, TEXTS
from calrec_recbole.stored_files import NUMBER, read_json

__all__ = ["Reranker", "check_rerank"]

RERANK_FILE = "rerank.json"  # in a run's checkpoint folder: what validation chose


def check_rerank(settings: CALRecSettings) -> None:
    """Raises ``ConfigError`` where the ``rerank_*`` settings and what they need do not fit together."""
    rerank, stage, steps = settings.rerank, settings.stage, settings.training.train_steps
    if settings.retrieval.retrieval != RERANK:
        if rerank.rerank_from:
            raise ConfigError(f"rerank_from={rerank.rerank_from} has no effect: set retrieval=rerank")
        if settings.unseen.rerank_unseen != 0:
            bonus = settings.unseen.rerank_unseen
            raise ConfigError(f"rerank_unseen={bonus!r} has no effect: set retrieval=rerank")
        return
    if steps != 0 or (settings.backbone.backbone == "scratch" and not stage.pre_model_path):
        raise ConfigError(
            "retrieval=rerank ranks with finished weights: set train_steps=0, warmup_steps=0 (--config_files=untuned) "
            f"and pre_model_path, not train_steps={steps}, pre_model_path={stage.pre_model_path!r}"
        )
    check_first_stage(rerank)
    if settings.users.evaluate_minutes and rerank.rerank_by == LOGPROB:
        raise ConfigError(
            f"evaluate_minutes={settings.users.evaluate_minutes} goes on from samples, and rerank_by=logprob draws "
            "none: set rerank_by=texts, or evaluate_minutes=0"
        )
    rerank.check()
    settings.unseen.check(rerank.rerank_by)


@dataclass
class Reranker:
    """Candidates from ``first_stage``, scored again by ``way``.

    ``weight`` and ``bonus`` are None until validation has chosen them. ``unseen`` (n_items,) tells the items that no
    training row holds, and ``bonus`` comes on top of their scores: see ``experimental.unseen_bonus``.
    """

    first_stage: FirstStage
    wanted: int
    way: str
    weight: float | None
    bonus: float | None
    unseen: NDArray[np.bool_]
    loss: float  # share of the best metric that the chosen bonus may cost

    @classmethod
    def of(cls, settings: CALRecSettings, prepared: Prepared) -> "Reranker":
        """Makes the reranker that the ``rerank_*`` settings describe."""
        rerank, extra = settings.rerank, settings.unseen
        stage = first_stage(settings, prepared)
        weight, bonus = (
            None if value == AUTO else float(value) for value in (rerank.rerank_weight, extra.rerank_unseen)
        )
        unseen = unseen_items(training_sequences(prepared.events), len(prepared.catalogue))
        return cls(stage, rerank.rerank_candidates, rerank.rerank_by, weight, bonus, unseen, extra.rerank_unseen_loss)

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
        first = self.first_stage(interaction)
        chosen = candidates(first, self.wanted)
        if self.way == TEXTS:
            return Parts(first, chosen, scaled(fused(), chosen), scaled(first, chosen), self.unseen)
        own = target_logprobs(recommender.backbone, recommender.items, histories, chosen)
        return Parts(first, chosen, log_softmax(own, chosen), log_softmax(first, chosen), self.unseen)

    def mixed(self, parts: Parts) -> NDArray[np.float64]:
        """(B, n_items) the scores, as given or chosen. Raises ``ConfigError`` before validation has chosen."""
        if self.weight is None or self.bonus is None:
            name = "rerank_weight" if self.weight is None else "rerank_unseen"
            raise ConfigError(f"{name}=auto is not chosen yet: a run chooses it on its validation users")
        return parts.mixed(self.weight, self.bonus)

    def take(self, checkpoint: Path) -> None:
        """Takes over what validation chose before, by ``keep``."""
        kept = self.kept(checkpoint)
        self.weight = kept.get("rerank_weight", self.weight)
        self.bonus = kept.get("rerank_unseen", self.bonus)

    def keep(self, checkpoint: Path) -> None:
        """Writes what validation chose, for whoever loads the run again."""
        write_json(checkpoint / RERANK_FILE, {"rerank_weight": self.weight, "rerank_unseen": self.bonus})

    @staticmethod
    def kept(checkpoint: Path) -> dict[str, Any]:
        """The settings that ``keep`` wrote; none where there is none."""
        file = checkpoint / RERANK_FILE
        shape = dict.fromkeys(("rerank_weight", "rerank_unseen"), (*NUMBER, type(None)))
        return dict(read_json(file, "run it again", shape)) if file.is_file() else {}
