"""Parameters by hand, from sizes; tokenizers that are those of the backbone itself."""

import pytest

from calrec_recbole.backbone import Backbone, ScratchSizes, save_backbone, train_tokenizer
from calrec_recbole.backbone.outline import outline_of, scratch_outline
from calrec_recbole.errors import BackboneError

TEXTS = ["Title: Red Glue. Brand: Acme.", "Title: Blue Tape. Brand: Bolt."]


def by_hand(width, inner, layers):
    return layers * (4 * width * width + 3 * width * inner + 2 * width) + width


def test_scratch():
    sizes = ScratchSizes(
        vocab_size=300, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24
    )
    found = scratch_outline(TEXTS, sizes)
    assert found.body == by_hand(16, 24, 3)
    assert found.head == 16 * len(found.tokenizer)


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_is_read_without_its_weights(build, tmp_path, tied):
    tokenizer = train_tokenizer(TEXTS, 300, merge_across_words=False)
    model = build("llama", vocab_size=len(tokenizer), num_key_value_heads=4, tie_word_embeddings=tied)
    save_backbone(Backbone(model, tokenizer), tmp_path / "bb")
    (tmp_path / "bb" / "model.safetensors").unlink()
    found = outline_of(str(tmp_path / "bb"))
    assert found.body == by_hand(32, 48, 2)
    assert found.head == 32 * len(tokenizer)
    assert found.tokenizer("Red Glue")["input_ids"] == tokenizer("Red Glue")["input_ids"]


@pytest.mark.parametrize(
    ("name", "message"), [("nothing/here/at/all", "cannot be read"), ("none.gguf", "no such GGUF file")]
)
def test_what_is_not_there_is_one_line(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackboneError, match=f"backbone={name}.* {message}") as caught:
        outline_of(name)
    assert "\n" not in str(caught.value)


def test_code_of_a_folder_is_not_run(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}')
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(BackboneError, match="cannot be read"):
        outline_of(str(tmp_path))
