import pytest
import torch

from calrec_recbole.baselines.text.features import item_features
from calrec_recbole.baselines.text.features import text_settings as text_settings_of
from calrec_recbole.baselines.text.frozen_table import TextTableSettings, text_table
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.setting_groups import settings_of


def made(settings, **changed):
    config = Config("FDSAText", config_dict={**settings, **changed})
    prepared = prepare(config)
    features = item_features(prepared, text_settings_of(config))
    return text_table(features, settings_of(TextTableSettings, config)), prepared.dataset, features


def test_the_text_is_frozen_and_adapted_by_one_linear_map_with_relu(text_settings):
    table, _, features = made(text_settings)
    assert torch.equal(table.vectors, features)
    assert sorted(name for name, _ in table.named_parameters()) == [
        "adapter.0.bias",
        "adapter.0.weight",
    ]
    items = torch.tensor([[3, 0], [1, 3]])
    linear = table.adapter[0]
    expected = torch.relu(table.vectors[items] @ linear.weight.T + linear.bias)
    assert expected.shape == (2, 2, 300)
    torch.testing.assert_close(table(items), expected)


def test_random_is_the_accident_every_row_redrawn(text_settings):
    table, dataset, _ = made(text_settings, text_init="random", initializer_range=0.5)
    ids = dataset.field2token_id["item_id"]
    assert not torch.equal(table.vectors[ids["b"]], table.vectors[ids["h"]])  # of equal text
    assert table.vectors[0].any()  # the pad item's
    assert 0.35 < table.vectors.std() < 0.65  # 9 x 12 draws of N(0, 0.5^2)
    assert not table.vectors.requires_grad


def test_another_init_is_named(text_settings):
    with pytest.raises(ConfigError, match=r"text_init='txt' must be one of text, random; did you mean 'text'\?"):
        made(text_settings, text_init="txt")
