"""``best``: whole and of the run, or refused with its path."""

import json

import pytest
import torch
from safetensors.torch import save_file

from calrec_recbole.errors import DataError
from calrec_recbole.training.best_weights import best_step, check_best


@pytest.fixture
def best(tmp_path):
    save_file({"weight": torch.ones(30)}, tmp_path / "model.safetensors")
    (tmp_path / "state.json").write_text(json.dumps({"run": "7-ab", "step": 4}))
    return tmp_path


def test_the_step_is_that_of_ones_own_weights(best):
    check_best(best)
    assert best_step(best, "7-ab") == 4
    assert best_step(best, "8-cd") is None
    (best / "state.json").unlink()
    assert best_step(best, "7-ab") is None
    with pytest.raises(DataError, match=f"checkpoint {best} holds no trained weights"):
        check_best(best)


@pytest.mark.parametrize("length", [0, 7, 8, 40, 100, -1])
def test_weights_cut_at_any_length_are_refused(best, length):
    file = best / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DataError, match=f"checkpoint {file} is damaged"):
        check_best(best)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"step": "x"}', '{"step": [4]}', '{"run": "7-ab", "st'])
def test_a_state_of_nonsense_is_refused(best, text):
    (best / "state.json").write_text(text)
    for check in (check_best, lambda folder: best_step(folder, "7-ab")):
        with pytest.raises(DataError, match=rf"{best}/state\.json is damaged"):
            check(best)
