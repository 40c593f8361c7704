"""Who proposes the candidates of ``retrieval: rerank``: a finished run, or several of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import AbstractRecommender

from calrec_recbole.errors import ConfigError
from calrec_recbole.experimental.unseen_bonus import LOGPROB
from calrec_recbole.plugin.data.dataset import item_tokens
from calrec_recbole.plugin.data.split import named_runs
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.reranking.candidates import scaled

__all__ = ["FirstStage", "check_first_stage", "first_stage"]

FirstStage = Callable[[Any], NDArray[np.float64]]  # rows -> (B, n_items)


def check_first_stage(config: Mapping[str, Any]) -> None:
    """Raises ``ConfigError`` where ``rerank_from`` does not name what can propose items."""
    sources = named_runs(config["rerank_from"])
    if not sources:
        raise ConfigError(
            f"rerank_from={config['rerank_from']!r} must be the folder of a finished run, such as SASRec's, or a "
            "list of such folders"
        )
    for source in sources:
        if not Path(source).expanduser().is_dir():
            raise ConfigError(f"rerank_from={source!r} is no folder: give that of a finished run")
    if len(sources) > 1 and config["rerank_by"] == LOGPROB:
        raise ConfigError(
            "rerank_from names several runs, whose scaled scores are no log-probabilities: set rerank_by=texts"
        )


def first_stage(config: Any, dataset: Any) -> FirstStage:
    """The scores of the runs that ``rerank_from`` names; of several the mean."""
    stages = [_of_run(Path(source).expanduser(), config, dataset) for source in named_runs(config["rerank_from"])]
    return stages[0] if len(stages) == 1 else _mean(stages)


def _mean(stages: Sequence[FirstStage]) -> FirstStage:
    """The mean of the stages' scores, each scaled to [0, 1] over a user's items."""

    def scores(interaction: Any) -> NDArray[np.float64]:
        found = [stage(interaction) for stage in stages]
        return np.asarray(np.mean([scaled(one, np.ones(one.shape, bool)) for one in found], axis=0))

    return scores


def _of_run(folder: Path, config: Any, dataset: Any) -> FirstStage:
    here = {name: config[name] for name in ("gpu_id", "use_gpu")}
    loaded = load_run(folder, Path(config["data_path"]).parent, here)
    name, own = loaded.config["dataset"], config["dataset"]
    longest, wanted = (one["MAX_ITEM_LIST_LENGTH"] for one in (loaded.config, config))
    if longest != wanted:
        raise ConfigError(
            f"rerank_from={folder} reads {longest} items, not {wanted}: set MAX_ITEM_LIST_LENGTH={longest}"
        )
    if type(loaded.model).full_sort_predict is AbstractRecommender.full_sort_predict:
        raise ConfigError(
            f"rerank_from={folder}: {loaded.config['model']} scores pairs only; give a run of another model"
        )
    if name != own or item_tokens(loaded.dataset) != item_tokens(dataset):
        raise ConfigError(
            f"rerank_from={folder} ran on {name} with other items than {own} has here: give a run on {own}"
        )
    model = loaded.model

    @torch.no_grad()
    def scores(interaction: Any) -> NDArray[np.float64]:
        model.eval()
        found = model.full_sort_predict(interaction.to(config["device"])).view(len(interaction), -1)
        return np.asarray(found[:, 1:].double().cpu().numpy())  # without the pad item

    return scores
