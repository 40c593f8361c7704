from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calrec_recbole.baselines.text import features as text_features
from calrec_recbole.baselines.text.encoder import TextSettings
from calrec_recbole.baselines.text.features import encode_texts, item_features, plain_catalogue, plain_text
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.runs.run_folder import run_id

TEXTS = ["red glue", "blue tape", "pen"]


def loaded(settings):
    config = Config("SASRec", config_dict=settings)
    return prepare(config), text_features.text_settings(config)


def forbid_encoding(monkeypatch):
    def never(*_, **__):
        raise AssertionError("the cache should have answered")

    monkeypatch.setattr(text_features, "encode", never)


def test_texts_are_plain_and_what_is_missing_is_left_out(text_settings):
    prepared, settings = loaded(text_settings)
    catalogue = plain_catalogue(prepared, settings)
    texts = dict(zip(catalogue.item_ids, catalogue.texts, strict=True))
    assert texts["a"] == "Red Glue. Office Adhesives. Acme."
    assert texts["d"] == "Green Pen. Office Pens. Bolt."  # without double quotes
    assert texts["e"] == "Steel Ruler. Tools."  # no brand
    assert texts["g"] == ""  # no row at all


def test_a_text_of_2000_characters_is_left_out_and_dots_are_one():
    assert plain_text(["Ends..", "x" * 1998]) == f"Ends. {'x' * 1998}."
    assert plain_text(["Ends..", "x" * 1999]) == "Ends."  # with its full stop 2,000
    assert plain_text([]) == ""


def test_items_of_equal_text_share_one_vector_bit_for_bit(text_settings):
    prepared, settings = loaded(text_settings)
    features = item_features(prepared, settings)
    assert features.dtype == torch.float32
    assert features.shape == (9, 12)
    assert not features[0].any()  # the pad item
    ids = prepared.dataset.field2token_id["item_id"]
    assert torch.equal(features[ids["b"]], features[ids["h"]])
    assert len(features[1:].unique(dim=0)) == 7  # of the eight items a-h


def test_rows_follow_the_internal_ids(text_settings, tiny_encoder):
    prepared, settings = loaded(text_settings)
    features = item_features(prepared, settings)
    alone = encode_texts(["Steel Ruler. Tools."], settings)
    row = features[prepared.dataset.field2token_id["item_id"]["e"]].numpy()
    np.testing.assert_allclose(row, alone[0], atol=2e-6)


def test_ml_100k_takes_its_own_attributes():
    prepared, settings = loaded({"dataset": "ml-100k", "gpu_id": ""})
    catalogue = plain_catalogue(prepared, settings)
    place = catalogue.item_ids.index("1")
    assert catalogue.texts[place] == "Toy Story. 1995. Animation Children's Comedy."


def test_a_second_call_reads_the_cache(tiny_encoder, tmp_path, monkeypatch):
    settings = TextSettings(str(tiny_encoder), "mean", 32, tmp_path)
    first = encode_texts(TEXTS, settings)
    forbid_encoding(monkeypatch)
    again = encode_texts(TEXTS, settings)
    assert np.array_equal(first, again)
    assert isinstance(again, np.memmap)


def test_whatever_changes_the_vectors_has_a_file_of_its_own(tiny_encoder, tmp_path):
    settings = TextSettings(str(tiny_encoder), "mean", 32, tmp_path)
    for changed in (settings, replace(settings, pooling="cls"), replace(settings, max_length=16)):
        encode_texts(TEXTS, changed)
    encode_texts(TEXTS[::-1], settings)
    assert len(list(tmp_path.glob("*.npy"))) == 4


def test_the_cache_lies_under_output_dir_or_where_the_setting_says(text_settings, tmp_path):
    (own, settings), (other, elsewhere) = map(loaded, (text_settings, {**text_settings, "text_cache": "cache"}))
    assert (settings.cache, elsewhere.cache) == (tmp_path / "runs" / "text_features", Path("cache"))
    config, elsewhere = own.config, other.config
    assert run_id(config.settings, {}, config.groups) == run_id(elsewhere.settings, {}, elsewhere.groups)


def test_a_wrong_attribute_is_named(text_settings):
    prepared, settings = loaded({**text_settings, "text_attributes": ["title", "colour"]})
    with pytest.raises(DataError, match=r"no column 'colour'.*mend text_attributes"):
        item_features(prepared, settings)
    with pytest.raises(ConfigError, match=r"text_attributes=\[\] must be a list of columns"):
        loaded({**text_settings, "text_attributes": []})
