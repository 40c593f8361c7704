"""What training came to, on disk: found again, or refused by name."""

import json

import pytest
import torch
from safetensors.torch import save_file

from calrec_recbole.errors import DataError
from calrec_recbole.runs.trained import TRAINED, Trained

OVER = Trained("2020-0a", 7, 0.5, {"mrr_pes": 0.25}, 3, "Tools", {"rerank_weight": 0.4}, 12.5, {"train_steps": 9})


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "best").mkdir()
    save_file({"weight": torch.ones(3)}, tmp_path / "best" / "model.safetensors")
    (tmp_path / "best" / "state.json").write_text(json.dumps({"run": "2020-0a", "step": 7}))
    return tmp_path


def test_it_comes_back_as_it_was(checkpoint):
    assert Trained.found(checkpoint, "2020-0a") is None
    OVER.write(checkpoint)
    assert Trained.found(checkpoint, "2020-0a") == OVER


def test_another_run_or_other_best_weights_are_not_over(checkpoint):
    OVER.write(checkpoint)
    assert Trained.found(checkpoint, "2020-0b") is None
    (checkpoint / "best" / "state.json").write_text(json.dumps({"run": "2020-0a", "step": 6}))
    assert Trained.found(checkpoint, "2020-0a") is None


def test_a_file_of_before_the_plan_was_kept_has_none(checkpoint):
    OVER.write(checkpoint)
    file = checkpoint / TRAINED
    file.write_text(json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key != "planned"}))
    assert Trained.found(checkpoint, "2020-0a").planned == {}


@pytest.mark.parametrize("text", ["", "[]", '{"run": "2020-0a"}'])
def test_a_damaged_file_is_named(checkpoint, text):
    (checkpoint / TRAINED).write_text(text)
    with pytest.raises(DataError, match=r"trained\.json is damaged"):
        Trained.found(checkpoint, "2020-0a")
