import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from calrec_recbole.baselines.text import encoder as text_encoder
from calrec_recbole.baselines.text.encoder import TextSettings, encode
from calrec_recbole.errors import ConfigError

TEXTS = ["red glue", "blue tape office adhesives acme", "", "pen", "steel ruler tools bolt red blue green pen glue"]


def settings(tiny_encoder, tmp_path, pooling="mean", max_length=32):
    return TextSettings(str(tiny_encoder), pooling, max_length, tmp_path)


def one_by_one(folder, pooling, max_length=32):
    """Each text alone, without pads; the mean by a loop over its tokens."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = []
    for text in TEXTS:
        ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
        assert ids[0] == tokenizer.cls_token_id
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0]
        total = torch.zeros(12)
        for state in states:
            total += state
        vectors.append((states[0] if pooling == "cls" else total / len(ids)).numpy())
    return np.stack(vectors)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("batch_tokens", [1, 12, 8192])
def test_vectors_are_those_of_each_text_alone(pooling, batch_tokens, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(text_encoder, "BATCH_TOKENS", batch_tokens)
    found = encode(TEXTS, tiny_encoder, settings(tiny_encoder, tmp_path, pooling))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, one_by_one(tiny_encoder, pooling), atol=2e-6)


def test_long_texts_are_cut(tiny_encoder, tmp_path):
    found = encode(TEXTS, tiny_encoder, settings(tiny_encoder, tmp_path, max_length=4))
    np.testing.assert_allclose(found, one_by_one(tiny_encoder, "mean", 4), atol=2e-6)


def test_no_random_number_is_used_up(tiny_encoder, tmp_path):
    """A run that encodes and one that finds the cache start from the same weights."""
    before = torch.random.get_rng_state()
    encode(TEXTS, tiny_encoder, settings(tiny_encoder, tmp_path))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_wrong_settings_are_named(tiny_encoder, tmp_path):
    with pytest.raises(ConfigError, match=r"text_pooling='maen' must be one of cls, mean; did you mean 'mean'\?"):
        settings(tiny_encoder, tmp_path, pooling="maen")
    with pytest.raises(ConfigError, match="text_max_length=0 must be at least 1"):
        settings(tiny_encoder, tmp_path, max_length=0)
    with pytest.raises(ConfigError, match="text_max_length=64 exceeds the encoder's 32 tokens; lower it"):
        encode(TEXTS, tiny_encoder, settings(tiny_encoder, tmp_path, max_length=64))


def test_a_folder_that_is_no_encoder_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        encode(TEXTS, tmp_path, settings(tmp_path, tmp_path))
    assert "\n" not in str(caught.value)
