"""A state dict of the names and shapes of the authors' checkpoint, for a network of two layers."""

import pytest
import torch

from calrec_recbole.baselines.recformer.backbone import (
    LongformerSizes,
    from_scratch,
)
from calrec_recbole.baselines.recformer.official_checkpoint import load_official
from calrec_recbole.errors import BackboneError, CalrecError

D, INNER, WORDS, POSITIONS, ITEMS = 16, 24, 270, 62, 6


@pytest.fixture
def small_recformer():
    """Window 8, 5 items, 60 tokens; a vocabulary of 270."""
    torch.manual_seed(1)
    sizes = LongformerSizes(270, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
    backbone = from_scratch(sizes, ["title", "brand", "Red Glue", "Blue Pen"], 8, 6, 60)
    backbone.network.eval()
    return backbone


def official(layers=2):
    shapes = {
        "embeddings.position_ids": (1, POSITIONS),  # a buffer of older versions of transformers
        "embeddings.word_embeddings.weight": (WORDS, D),
        "embeddings.position_embeddings.weight": (POSITIONS, D),
        "embeddings.token_type_embeddings.weight": (4, D),
        "embeddings.item_position_embeddings.weight": (ITEMS, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        square = [f"attention.self.{name}" for name in ("query", "key", "value")]
        square += [f"attention.self.{name}_global" for name in ("query", "key", "value")]
        for name in [*square, "attention.output.dense"]:
            shapes |= {f"{layer}.{name}.weight": (D, D), f"{layer}.{name}.bias": (D,)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}.{name}.weight": (D,), f"{layer}.{name}.bias": (D,)}
        shapes |= {f"{layer}.intermediate.dense.weight": (INNER, D), f"{layer}.intermediate.dense.bias": (INNER,)}
        shapes |= {f"{layer}.output.dense.weight": (D, INNER), f"{layer}.output.dense.bias": (D,)}
    head = {"bias": (WORDS,), "dense.weight": (D, D), "dense.bias": (D,), "layer_norm.weight": (D,)}
    head |= {"layer_norm.bias": (D,), "decoder.weight": (WORDS, D), "decoder.bias": (WORDS,)}
    names = {f"longformer.{name}": shape for name, shape in shapes.items()}
    names |= {f"lm_head.{name}": shape for name, shape in head.items()}
    torch.manual_seed(3)
    return {name: torch.randn(shape) for name, shape in names.items()}


LEFT_OVER = ["lm_head.decoder.bias", "lm_head.decoder.weight", "longformer.embeddings.position_ids"]


def written(tmp_path, tensors):
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    return tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize("prefix", ["", "_forward_module.model."])
def test_every_tensor_is_found_by_name(prefix, small_recformer, tmp_path):
    theirs = official()
    file = written(tmp_path, {prefix + name: tensor for name, tensor in theirs.items()})
    loaded = load_official(file, small_recformer.network)
    assert loaded.missed == []
    assert loaded.left_over == LEFT_OVER
    ours = small_recformer.network.state_dict()
    for name in theirs.keys() - set(LEFT_OVER):
        assert torch.equal(ours[name], theirs[name]), name


def test_the_encoder_alone_leaves_the_head_as_it_was(small_recformer, tmp_path):
    theirs = official()
    before = small_recformer.network.state_dict()["lm_head.dense.weight"].clone()
    alone = {name.removeprefix("longformer."): tensor for name, tensor in theirs.items() if "lm_head" not in name}
    loaded = load_official(written(tmp_path, alone), small_recformer.network)
    assert loaded.missed == [
        f"lm_head.{name}" for name in ("bias", "dense.bias", "dense.weight", "layer_norm.bias")
    ] + ["lm_head.layer_norm.weight"]
    assert loaded.left_over == ["longformer.embeddings.position_ids"]
    ours = small_recformer.network.state_dict()
    assert torch.equal(ours["lm_head.dense.weight"], before)
    name = "longformer.embeddings.word_embeddings.weight"
    assert torch.equal(ours[name], theirs[name])


def test_another_shape_is_refused_with_both_named_and_nothing_is_loaded(small_recformer, tmp_path):
    theirs = official() | {"longformer.embeddings.item_position_embeddings.weight": torch.zeros(51, D)}
    before = {name: tensor.clone() for name, tensor in small_recformer.network.state_dict().items()}
    with pytest.raises(BackboneError, match=r"item_position_embeddings.weight is \(51, 16\) there and \(6, 16\) here"):
        load_official(written(tmp_path, theirs), small_recformer.network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in small_recformer.network.state_dict().items())


@pytest.mark.parametrize(
    ("content", "message"),
    [({"a.weight": torch.zeros(1)}, "no tensor of Recformer"), ([torch.zeros(1)], "holds a list, not a state dict")],
)
def test_what_is_no_checkpoint_is_named(content, message, small_recformer, tmp_path):
    with pytest.raises(CalrecError, match=message):
        load_official(written(tmp_path, content), small_recformer.network)


def test_what_is_code_in_a_file_is_left_out(small_recformer, tmp_path):
    with pytest.raises(BackboneError, match="no tensor of Recformer"):
        load_official(written(tmp_path, {"a": pytest.raises}), small_recformer.network)
