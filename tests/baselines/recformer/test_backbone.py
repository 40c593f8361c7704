"""Where Recformer gets its network and its tokenizer."""

import pytest
import torch
from transformers import LongformerForMaskedLM

from calrec_recbole.baselines.recformer.backbone import (
    LongformerSizes,
    from_longformer,
    from_scratch,
    read_backbone,
    save_backbone,
)
from calrec_recbole.errors import BackboneError


@pytest.fixture
def small_recformer():
    """Window 8, 5 items, 60 tokens; a vocabulary of 270."""
    torch.manual_seed(1)
    sizes = LongformerSizes(270, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
    backbone = from_scratch(sizes, ["title", "brand", "Red Glue", "Blue Pen"], 8, 6, 60)
    backbone.network.eval()
    return backbone


def test_a_longformer_keeps_its_weights_and_begins_types_and_item_positions_anew(small_recformer, tmp_path):
    config = small_recformer.network.config
    config.type_vocab_size, config.attention_window = 1, [16, 16]
    longformer = LongformerForMaskedLM(config)
    longformer.save_pretrained(tmp_path)
    small_recformer.tokenizer.save_pretrained(tmp_path)
    network, tokenizer = from_longformer(str(tmp_path), window=8, positions=9, max_tokens=40)
    ours, theirs = network.state_dict(), longformer.state_dict()
    new = {f"longformer.embeddings.{kind}_embeddings.weight" for kind in ("token_type", "item_position")}
    assert {name for name in ours if name not in theirs or not torch.equal(ours[name], theirs[name])} == new
    assert [tuple(ours[name].shape) for name in sorted(new)] == [(9, 16), (4, 16)]
    assert all(ours[name].std() > 0.01 for name in new)
    assert network.window == 8
    assert tokenizer.get_vocab() == small_recformer.tokenizer.get_vocab()
    with pytest.raises(BackboneError, match=r"max_tokens=1024 exceeds the 60 positions"):
        from_longformer(str(tmp_path), window=8, positions=9, max_tokens=1024)


def test_a_saved_backbone_is_read_again_and_other_settings_are_named(small_recformer, tmp_path):
    save_backbone(small_recformer, tmp_path)
    again = read_backbone(tmp_path, 8, 6, 60)
    ours = small_recformer.network.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in again.network.state_dict().items())
    with pytest.raises(BackboneError, match="MAX_ITEM_LIST_LENGTH=5, not 50"):
        read_backbone(tmp_path, 8, 51, 60)
    with pytest.raises(BackboneError, match="attention_window=8, not 64"):
        read_backbone(tmp_path, 64, 6, 60)


def test_another_architecture_and_a_missing_folder_are_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BackboneError, match="is a bert: give a Longformer"):
        from_longformer(str(tmp_path), 8, 6, 60)
    with pytest.raises(BackboneError, match="cannot be loaded"):
        read_backbone(tmp_path / "nowhere", 8, 6, 60)
    with pytest.raises(BackboneError, match="no such folder, and no hub id"):
        from_longformer(str(tmp_path / "nowhere"), 8, 6, 60)
