"""Which attributes Recformer reads."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config


def test_an_item_is_read_by_title_brand_and_category(recformer_settings, built):
    _, dataset, _, model = built(recformer_settings)
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "titleSteel RulerbrandcategoryTools"


def test_the_attributes_of_another_data_set_are_named_or_all_taken(recformer_settings, built):
    other = {**recformer_settings, "item_attributes": [{"field": "title", "label": "Name", "words": 3}]}
    with pytest.raises(ConfigError, match=r"names 'brand', which is not in item_attributes, \['title'\]"):
        built(other)
    _, dataset, _, model = built({**other, "recformer_attributes": []})
    item = model.items.items[model.items.place[dataset.field2token_id["item_id"]["e"] - 1]]
    assert model.tokenizer.decode(item.tokens) == "nameSteel Ruler"
    assert Config("Recformer", "ml-100k")["recformer_attributes"] == []
