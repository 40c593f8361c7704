"""Checkpoints of others: tensors by name, or one line; nothing in them runs."""

import os
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file

from calrec_recbole.baselines.tensor_files import read_tensors
from calrec_recbole.errors import DataError

TENSORS = {"a": torch.arange(4.0), "b": torch.ones(2, 3)}


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def same(found):
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("wrapped", [TENSORS, {"state_dict": TENSORS, "config": {"lr": 1}}])
def test_tensors_come_back_from_any_form(tmp_path, wrapped):
    torch.save(wrapped, tmp_path / "zip.pth")
    torch.save(wrapped, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert all(same(read_tensors(tmp_path / name)) for name in ("zip.pth", "old.pth", "x.safetensors"))


@pytest.mark.parametrize(
    "value", [[1], None, 7, {"state_dict": None}, {"state_dict": [1]}, {1: torch.ones(1)}], ids=str
)
def test_what_is_no_state_dict_is_named(tmp_path, value):
    torch.save(value, tmp_path / "x.pth")
    with pytest.raises(DataError, match="not a state dict") as raised:
        read_tensors(tmp_path / "x.pth")
    assert str(tmp_path / "x.pth") in str(raised.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bomb_does_not_go_off(tmp_path, zipped, may_refuse):
    marker = tmp_path / "marker"
    torch.save({"a": torch.ones(1), "b": Bomb(marker)}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Bomb(marker)))
    for name in ("x.pth", "raw.pth"):
        with may_refuse():
            read_tensors(tmp_path / name)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["zip.pth", "old.pth", "x.safetensors"])
def test_damage_anywhere_is_one_line_or_does_no_harm(tmp_path, name, may_refuse):
    torch.save(TENSORS, tmp_path / "zip.pth")
    torch.save(TENSORS, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(TENSORS, tmp_path / "x.safetensors")
    whole, file, draw = (tmp_path / name).read_bytes(), tmp_path / name, random.Random(5)
    for _ in range(60):
        damaged = bytearray(whole[: draw.randrange(len(whole))] if draw.random() < 0.3 else whole)
        for _ in range(draw.randrange(4) if damaged else 0):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        file.write_bytes(damaged)
        with may_refuse(file):
            read_tensors(file)
