from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.plugin.drawn import SAMPLES_FILE, read_samples, sample_key, samples_before, write_samples

PROMPT = np.array([5, 6, 7])
SETTINGS = InferenceSettings(max_new_tokens=80)
DRAWN = {"a": [("Title: Tape.", -1.5), ("Glue\n“x”", -0.1 - 0.2)], "b": [("Title: Tape.", -3.0)]}


@pytest.fixture
def run(tmp_path):
    """A run folder with weights, the best and those of a step, and its samples."""
    for name in ("best", "step-4"):
        folder = tmp_path / "checkpoint" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
        (folder / "config.json").touch()
    write_samples(tmp_path / SAMPLES_FILE, DRAWN)
    return tmp_path


def test_samples_come_back_as_they_were(run):
    assert read_samples(run / SAMPLES_FILE) == DRAWN
    write_samples(run / SAMPLES_FILE, {})
    assert read_samples(run / SAMPLES_FILE) == {}


@pytest.mark.parametrize("kept", [0, 40, -9])
def test_a_damaged_file_is_named(tmp_path, kept):
    write_samples(tmp_path / "samples.parquet", {"a": [("red glue", -1.0)] * 40})
    whole = (tmp_path / "samples.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:kept])
    with pytest.raises(DataError, match=r"cut\.parquet is damaged \(.*remove it"):
        read_samples(tmp_path / "cut.parquet")
    pd.DataFrame({"key": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other\.parquet is damaged"):
        read_samples(tmp_path / "other.parquet")


def test_the_key_stands_for_all_that_decides_the_samples():
    own = sample_key(PROMPT, 1, SETTINGS)
    assert own == sample_key(PROMPT.astype(np.int32), 1, SETTINGS)
    for change in ({"n_gen": 16}, {"temperature": 0.6}, {"max_new_tokens": 40}, {"generation_engine": "vllm"}):
        assert sample_key(PROMPT, 1, replace(SETTINGS, **change)) != own
    assert sample_key(PROMPT, 2, SETTINGS) != own
    assert sample_key(PROMPT[:2], 1, SETTINGS) != own
    for change in ({"n_pred": 3}, {"epsilon": 0.0}, {"pooling": "min"}, {"speculate": True}):
        assert sample_key(PROMPT, 1, replace(SETTINGS, **change)) == own


def test_constrained_texts_have_keys_of_their_own():
    constrained = replace(SETTINGS, decoding="constrained")
    own = sample_key(PROMPT, 1, constrained)
    assert own != sample_key(PROMPT, 1, SETTINGS)
    for change in ({"beams": 8}, {"n_pred": 3}):
        assert sample_key(PROMPT, 1, replace(constrained, **change)) != own
    for change in ({"n_gen": 16}, {"temperature": 0.6}, {"epsilon": 0.0}):
        assert sample_key(PROMPT, 1, replace(constrained, **change)) == own


def test_only_the_same_weights_share_their_samples(run):
    def before(path, steps=0):
        return samples_before({"pre_model_path": path, "train_steps": steps})

    assert before(str(run)) == before(str(run / "checkpoint" / "best")) == DRAWN
    assert before(str(run / "checkpoint" / "step-4")) == {}
    assert before(str(run), steps=5) == before("") == {}
    (run / SAMPLES_FILE).unlink()
    assert before(str(run)) == {}
