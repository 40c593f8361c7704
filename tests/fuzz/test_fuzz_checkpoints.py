"""Damaged weights, model folders and states of a training: read, or one line; no code runs."""

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from calrec_recbole.backbone import Backbone, ScratchSizes, read_backbone, save_backbone, scratch_model, train_tokenizer
from calrec_recbole.baselines.tensor_files import read_tensors
from calrec_recbole.plugin.training.checkpoint import load_checkpoint, save_checkpoint
from calrec_recbole.training.best_weights import best_step, check_best
from tests.fuzz.fuzz_inputs import as_json, changed, damaged, fuzzed

TENSORS = {"a": torch.arange(4.0), "b": torch.ones(2, 3)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save({"state_dict": TENSORS, "config": {"lr": 1}}, folder / "zip.pth")
    torch.save(TENSORS, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(TENSORS, folder / "x.safetensors")
    return folder


@pytest.mark.parametrize("name", ["zip.pth", "old.pth", "x.safetensors"])
@given(data=st.data())
@fuzzed(6)
def test_damaged_tensors_are_tensors_or_refused(name, data, weights, may_refuse, tmp_path):
    file = tmp_path / name
    file.write_bytes(data.draw(damaged((weights / name).read_bytes())))
    with may_refuse(file):
        assert all(isinstance(tensor, torch.Tensor) for tensor in read_tensors(file).values())


class Model(torch.nn.Linear):
    """What a checkpoint of a RecBole model is read into."""

    device = "cpu"

    def other_parameter(self):
        return {}

    def load_other_parameter(self, values):
        assert values == {}


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
@given(data=st.data())
@fuzzed(2)
def test_a_damaged_checkpoint_is_loaded_or_refused(name, data, may_refuse, tmp_path):
    model, state = Model(3, 2), {"epoch": 3, "run": "1-ab", "step": 4}
    save_checkpoint(tmp_path, model, state)
    whole = (tmp_path / name).read_bytes()
    values = changed(state).map(as_json) if name == "state.json" else st.nothing()
    (tmp_path / name).write_bytes(data.draw(values | damaged(whole)))
    with may_refuse(tmp_path):
        assert isinstance(load_checkpoint(tmp_path, model), dict)
    with may_refuse(tmp_path):
        check_best(tmp_path)
        assert best_step(tmp_path, "1-ab") in (None, best_step(tmp_path, "1-ab"))


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(["Title: Glue.", "Title: Pen."], 300, merge_across_words=True)
    model = scratch_model(ScratchSizes(300, 16, 1, 2, 32, 0.0), len(tokenizer), tokenizer.eos_token_id, 64, seed=1)
    save_backbone(Backbone(model, tokenizer), folder)
    return folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@given(data=st.data())
@fuzzed(0.5)
def test_a_changed_model_folder_is_read_or_refused(name, data, model_folder, may_refuse, tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(model_folder, folder, dirs_exist_ok=True)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(data.draw(changed(json.loads(whole)).map(as_json) | damaged(whole)))
    with may_refuse(folder):
        found = read_backbone(folder, samples=False)
        assert found.tokenizer.eos_token_id is not None
    shutil.rmtree(folder)
