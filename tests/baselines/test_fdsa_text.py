import pytest
import torch
from recbole.model.sequential_recommender.fdsa import FDSA

from calrec_recbole.baselines.text.features import item_features
from calrec_recbole.baselines.text.features import text_settings as text_settings_of
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config

SMALL = {"hidden_size": 8, "inner_size": 16}


@pytest.mark.parametrize("init", ["text", "random"])
def test_it_runs_and_reloads(init, text_settings, runs_and_reloads):
    runs_and_reloads("FDSAText", {**text_settings, **SMALL, "text_init": init})


def test_recboles_initialisation_leaves_the_text_alone(text_settings, build):
    model, dataset, _ = build("FDSAText", {**text_settings, **SMALL})
    features = item_features(dataset.prepared, text_settings_of(dataset.prepared.config))
    assert torch.equal(model.feature_embed_layer.table.vectors, features)


def test_the_feature_branch_reads_the_text_and_nothing_else_of_an_item(text_settings, build):
    """b and h share a text: with one ID embedding for both they are one item; another text makes them two."""
    model, dataset, _ = build("FDSAText", {**text_settings, **SMALL})
    ids = dataset.field2token_id["item_id"]
    with torch.no_grad():
        for other in ("h", "c"):
            model.item_embedding.weight[ids[other]] = model.item_embedding.weight[ids["b"]]
    rows = torch.tensor([[ids["a"], ids[item], 0, 0, 0] for item in "bhc"])
    with_b, with_h, with_c = model.forward(rows, torch.tensor([2, 2, 2]))
    torch.testing.assert_close(with_b, with_h)
    assert (with_b - with_c).abs().max() > 1e-3


def test_settings_of_recboles_features_are_unknown(text_settings):
    with pytest.raises(ConfigError, match="'selected_features' is unknown to FDSAText"):
        Config("FDSAText", config_dict={**text_settings, "selected_features": ["category"]})


def test_reading_without_the_pads_changes_nothing(text_settings, build):
    model, _, data = build("FDSAText", {**text_settings, **SMALL})
    batch = next(iter(data.train))
    trimmed = model.forward(batch["item_id_list"], batch["item_length"])
    padded = FDSA.forward(model, batch["item_id_list"], batch["item_length"])
    torch.testing.assert_close(trimmed, padded, atol=1e-6, rtol=0)
