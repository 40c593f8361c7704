"""Which attributes Recformer reads."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model

SIZES = {"vocab_size": 270, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}


@pytest.fixture
def recformer_settings(tiny_settings):
    """Overrides for a run on Tiny within a few seconds."""
    sizes = {f"scratch_{name}": value for name, value in SIZES.items()}
    return {**tiny_settings, **sizes, "attention_window": 16, "max_tokens": 128, "stage2_epochs": 1, "eval_step": 1}


def built(settings):
    config = Config("Recformer", config_dict=settings)
    prepared = prepare(config)
    dataset, data = prepared.dataset, prepared.loaders
    return config, dataset, data, build_model(config, data.train.dataset)


def test_an_item_is_read_by_title_brand_and_category(recformer_settings):
    _, dataset, _, model = built(recformer_settings)
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "titleSteel RulerbrandcategoryTools"


def test_the_attributes_of_another_data_set_are_named_or_all_taken(recformer_settings):
    other = {**recformer_settings, "item_attributes": [{"field": "title", "label": "Name", "words": 3}]}
    with pytest.raises(ConfigError, match=r"names 'brand', which is not in item_attributes, \['title'\]"):
        built(other)
    _, dataset, _, model = built({**other, "recformer_attributes": []})
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "nameSteel Ruler"
    assert Config("Recformer", "ml-100k")["recformer_attributes"] == []
