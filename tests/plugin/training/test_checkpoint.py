import json

import pytest
import torch

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.training.checkpoint import load_checkpoint, save_checkpoint


class Counting(torch.nn.Module):
    """Tied weights, and a tensor outside of the state dict, as RecBole's Pop has."""

    def __init__(self):
        super().__init__()
        self.device = torch.device("cpu")
        self.embedding = torch.nn.Embedding(3, 2)
        self.head = torch.nn.Linear(2, 3, bias=False)
        self.head.weight = self.embedding.weight
        self.count = torch.zeros(3, dtype=torch.int64)

    def other_parameter(self):
        return {"count": self.count, "note": object()}

    def load_other_parameter(self, values):
        self.count = values["count"]


def test_a_round_trip(tmp_path):
    model, other = Counting(), Counting()
    model.count += torch.tensor([4, 5, 6])
    save_checkpoint(tmp_path, model, {"epoch": 3})
    assert load_checkpoint(tmp_path, other) == {"epoch": 3}
    assert torch.equal(other.embedding.weight, model.embedding.weight)
    assert other.count.tolist() == [4, 5, 6]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.safetensors", "state.json"]
    assert json.loads((tmp_path / "state.json").read_text()) == {"epoch": 3}


def test_later_changes_of_the_model_do_not_reach_the_file(tmp_path):
    model, other = Counting(), Counting()
    save_checkpoint(tmp_path, model, {})
    before = model.embedding.weight.detach().clone()
    with torch.no_grad():
        model.embedding.weight.zero_()
    load_checkpoint(tmp_path, other)
    assert torch.equal(other.embedding.weight, before)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no model\.safetensors"):
        load_checkpoint(tmp_path, Counting())


def test_a_truncated_file_is_named(tmp_path):
    model = torch.nn.Linear(2, 2)
    model.device, model.other_parameter = "cpu", lambda: None
    save_checkpoint(tmp_path, model, {})
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(tmp_path, model)
