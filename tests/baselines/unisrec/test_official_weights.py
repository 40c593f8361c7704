"""The official checkpoint's names and shapes, in a synthetic file: the real weights could not be had."""

import logging
import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from calrec_recbole.baselines.tensor_files import read_tensors
from calrec_recbole.baselines.unisrec.model import UniSRec, UniSRecID
from calrec_recbole.baselines.unisrec.official_weights import load_pretrained, weights_file
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.config import Config

LAYER = {
    **{f"multi_head_attention.{part}.weight": (300, 300) for part in ("query", "key", "value", "dense")},
    **{f"multi_head_attention.{part}.bias": (300,) for part in ("query", "key", "value", "dense")},
    "multi_head_attention.LayerNorm.weight": (300,),
    "multi_head_attention.LayerNorm.bias": (300,),
    "feed_forward.dense_1.weight": (256, 300),
    "feed_forward.dense_1.bias": (256,),
    "feed_forward.dense_2.weight": (300, 256),
    "feed_forward.dense_2.bias": (300,),
    "feed_forward.LayerNorm.weight": (300,),
    "feed_forward.LayerNorm.bias": (300,),
}
OFFICIAL = {
    "position_embedding.weight": (50, 300),
    **{f"trm_encoder.layer.{layer}.{name}": shape for layer in range(2) for name, shape in LAYER.items()},
    "LayerNorm.weight": (300,),
    "LayerNorm.bias": (300,),
    "moe_adaptor.w_gate": (768, 8),
    "moe_adaptor.w_noise": (768, 8),
    **{f"moe_adaptor.experts.{expert}.bias": (768,) for expert in range(8)},
    **{f"moe_adaptor.experts.{expert}.lin.weight": (300, 768) for expert in range(8)},
}


class ThreeItems:
    """What the model asks of a data set."""

    prepared = None

    def num(self, field):
        return 4


@pytest.fixture
def model(monkeypatch):
    return made(UniSRec, monkeypatch)


def made(kind, monkeypatch, width=768):
    monkeypatch.setattr("calrec_recbole.baselines.unisrec.model.item_features", lambda *_: torch.randn(4, width))
    return kind(Config(kind.__name__, "ml-100k"), ThreeItems())


@pytest.fixture
def official():
    torch.manual_seed(3)
    return {name: torch.randn(shape) for name, shape in OFFICIAL.items()}


def test_every_official_tensor_has_its_place(model, official, tmp_path, caplog):
    torch.save({"config": {"model": "UniSRec"}, "epoch": 299, "state_dict": official}, tmp_path / "official.pth")
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tmp_path / "official.pth")
    own = model.state_dict()
    assert own.keys() == official.keys()
    assert all(torch.equal(own[name], tensor) for name, tensor in official.items())
    assert f"{len(OFFICIAL)} tensors loaded; missed: none; left over: none" in caplog.text


def test_recboles_config_beside_the_tensors_is_read_over(model, official, tmp_path):
    state = {"config": Config("UniSRec", "ml-100k"), "state_dict": official, "optimizer": {"lr": 1e-3}}
    torch.save(state, tmp_path / "official.pth")
    assert read_tensors(tmp_path / "official.pth").keys() == official.keys()


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


class Trap:
    def __reduce__(self):
        return eval, ("__import__('pathlib').Path('exploded').mkdir()",)


def test_nothing_in_a_checkpoint_is_executed(official, tmp_path, monkeypatch):
    """What torch blocks is refused; any other call is made on an inert class."""
    monkeypatch.chdir(tmp_path)
    torch.save({"config": Trap(), "state_dict": official}, "trap.pth")
    assert read_tensors(tmp_path / "trap.pth").keys() == official.keys()
    torch.save({"config": Bomb(), "state_dict": official}, "bomb.pth")
    with pytest.raises(DataError, match="cannot be read without executing it"):
        read_tensors(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


def test_ids_of_another_data_set_stay_behind(official, tmp_path, monkeypatch, caplog):
    model = made(UniSRecID, monkeypatch)
    before = model.item_embedding.weight.clone()
    official |= {"item_embedding.weight": torch.ones(4, 300), "plm_embedding.weight": torch.ones(4, 768)}
    save_file(official, tmp_path / "transductive.safetensors")
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tmp_path / "transductive.safetensors")
    assert torch.equal(model.item_embedding.weight, before)
    assert "missed: item_embedding.weight; left over: item_embedding.weight, plm_embedding.weight" in caplog.text


def test_missed_and_left_over_tensors_are_named(model, official, tmp_path, caplog):
    del official["LayerNorm.bias"]
    torch.save(official | {"other.weight": torch.ones(1)}, tmp_path / "some.pth")
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tmp_path / "some.pth")
    assert "missed: LayerNorm.bias; left over: other.weight" in caplog.text


def test_another_shape_is_refused_with_both_shapes(official, tmp_path, monkeypatch):
    model = made(UniSRec, monkeypatch, width=384)
    torch.save(official, tmp_path / "official.pth")
    with pytest.raises(ConfigError, match=r"moe_adaptor.w_gate is \(768, 8\), the model's \(384, 8\).*text_encoder"):
        load_pretrained(model, tmp_path / "official.pth")


def test_other_files_are_refused_in_one_line(model, tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="holds no tensor of UniSRec: it has weight"):
        load_pretrained(model, tmp_path / "other.safetensors")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        with pytest.raises(DataError, match=f"checkpoint .*{name} cannot be read"):
            load_pretrained(model, tmp_path / name)
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ConfigError, match="holds no tensor of UniSRec: it has weight, bias"):
        load_pretrained(model, tmp_path / "legacy.pth")


def test_a_run_folder_stands_for_its_weights(tmp_path):
    file = tmp_path / "run" / "checkpoint" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    assert weights_file(tmp_path / "run") == weights_file(str(file.parent)) == weights_file(file) == file
