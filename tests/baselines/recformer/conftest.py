"""A Recformer small enough for seconds."""

import pytest
import torch

from calrec_recbole.baselines.recformer.backbone import LongformerSizes, from_scratch
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model

SIZES = {"vocab_size": 270, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}


@pytest.fixture
def recformer_settings(tiny_settings):
    """Overrides for a run on Tiny within a few seconds."""
    sizes = {f"scratch_{name}": value for name, value in SIZES.items()}
    return {**tiny_settings, **sizes, "attention_window": 16, "max_tokens": 128, "stage2_epochs": 1, "eval_step": 1}


@pytest.fixture(scope="session")
def built():
    """Makes the config, the data set, its loaders and the model of a request."""

    def of(settings):
        config = Config("Recformer", config_dict=settings)
        prepared = prepare(config)
        dataset, data = prepared.dataset, prepared.loaders
        return config, dataset, data, build_model(config, data.train.dataset)

    return of


@pytest.fixture
def small_recformer():
    """Window 8, 5 items, 60 tokens; a vocabulary of 270."""
    torch.manual_seed(1)
    sizes = LongformerSizes(270, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
    backbone = from_scratch(sizes, ["title", "brand", "Red Glue", "Blue Pen"], 8, 6, 60)
    backbone.network.eval()
    return backbone
