"""What the check of the device works on: a backbone over the catalogue, and users of the data set."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.plugin.runner import build_model
from calrec_recbole.recommender import Recommender
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.training import TrainingSettings
from gpu_row.bench import Bench
from gpu_row.systems import ALONE

__all__ = ["Material", "material"]

PROMPTS = 64  # test users


@dataclass(frozen=True)
class Material:
    """``sequences`` of the training users, ``prompts`` of some test users, ``tested`` test users in all.

    ``plain``: a copy of the backbone on the CPU, made before anything is put into it for the device.
    """

    recommender: Recommender
    plain: Backbone
    sequences: Sequence[Sequence[int]]
    prompts: Sequence[np.ndarray]
    tested: int
    settings: TrainingSettings
    seed: int
    device: torch.device

    @property
    def backbone(self) -> Backbone:
        return self.recommender.backbone


def material(bench: Bench, changes: Mapping[str, Any]) -> Material:
    """Of the recipe for one stage alone, with ``changes``. Nothing is ranked: no Java."""
    config = bench.config(ALONE.files, {**changes, "retrieval": "none"})
    prepared = prepare(config)
    data = prepared.loaders
    model = build_model(config, data.train.dataset).eval()
    rows = data.test.dataset.inter_feat
    histories = model.histories(rows[torch.arange(min(PROMPTS, len(rows)))])
    backbone = model.recommender.backbone
    return Material(
        model.recommender,
        Backbone(copy.deepcopy(backbone.model).to("cpu"), backbone.tokenizer),
        training_sequences(prepared.events),
        [model.recommender.items.prompt(history) for history in histories],
        len(rows),
        settings_of(TrainingSettings, config),
        model.seed,
        config["device"],
    )
