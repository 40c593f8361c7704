"""Proposes the candidates of ``retrieval: rerank`` by a finished run, or by several."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import AbstractRecommender

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.calrec.core_settings import CALRecSettings
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.reranking.candidates import scaled
from calrec_recbole.reranking.rerank_settings import LOGPROB, RerankSettings
from calrec_recbole.setting_files import read_settings

__all__ = ["FirstStage", "check_first_stage", "first_stage"]

GIVEN = "GivenScores"
FirstStage = Callable[[Any], NDArray[np.float64]]  # rows -> (B, n_items)


def check_first_stage(rerank: RerankSettings) -> None:
    """Raises ``ConfigError`` where ``rerank_from`` does not name what can propose items."""
    sources = rerank.sources
    if not sources:
        raise ConfigError(
            f"rerank_from={rerank.rerank_from!r} must be the folder of a finished run, such as SASRec's, or a "
            "list of such folders"
        )
    for source in sources:
        if not Path(source).expanduser().is_dir():
            raise ConfigError(f"rerank_from={source!r} is no folder: give that of a finished run")
        config = Path(source).expanduser() / "config.yaml"
        if config.is_file() and read_settings(config).get("model") == GIVEN:
            raise ConfigError(f"rerank_from={source!r} has scores of the test users alone: give the run of a model")
    if len(sources) > 1 and rerank.rerank_by == LOGPROB:
        raise ConfigError(
            "rerank_from names several runs, whose scaled scores are no log-probabilities: set rerank_by=texts"
        )


def first_stage(settings: CALRecSettings, prepared: Prepared) -> FirstStage:
    """The scores of the runs that ``rerank_from`` names; of several the mean."""
    here = {"gpu_id": settings.run.gpu_id, "use_gpu": settings.run.use_gpu}
    stages = [_of_run(Path(source).expanduser(), prepared, here) for source in settings.rerank.sources]
    return stages[0] if len(stages) == 1 else _mean(stages)


def _mean(stages: Sequence[FirstStage]) -> FirstStage:
    """The mean of the stages' scores, each scaled to [0, 1] over a user's items."""

    def scores(interaction: Any) -> NDArray[np.float64]:
        found = [stage(interaction) for stage in stages]
        return np.asarray(np.mean([scaled(one, np.ones(one.shape, bool)) for one in found], axis=0))

    return scores


def _of_run(folder: Path, prepared: Prepared, here: Mapping[str, Any]) -> FirstStage:
    loaded = load_run(folder, prepared.folder.parent, here)
    model, data = loaded.model, loaded.dataset.prepared
    longest, wanted = (one.settings.MAX_ITEM_LIST_LENGTH for one in (data, prepared))
    if longest != wanted:
        raise ConfigError(
            f"rerank_from={folder} reads {longest} items, not {wanted}: set MAX_ITEM_LIST_LENGTH={longest}"
        )
    name = type(model).__name__
    if type(model).full_sort_predict is AbstractRecommender.full_sort_predict:
        raise ConfigError(f"rerank_from={folder}: {name} scores pairs only; give a run of another model")
    if data.name != prepared.name or data.items != prepared.items:
        raise ConfigError(
            f"rerank_from={folder} ran on {data.name} with other items than {prepared.name} has here: give a run on "
            f"{prepared.name}"
        )

    @torch.no_grad()
    def scores(interaction: Any) -> NDArray[np.float64]:
        model.eval()
        found = model.full_sort_predict(interaction.to(model.device)).view(len(interaction), -1)
        return np.asarray(found[:, 1:].double().cpu().numpy())  # without the pad item

    return scores
