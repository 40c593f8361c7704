"""``generation_engine: vllm`` by its settings, with vLLM's samples played by the native ones under other seeds."""

import pytest

from calrec_recbole.engines import vllm
from calrec_recbole.errors import ConfigError
from calrec_recbole.generation import sample
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.plugin.calrec.core_settings import CALRecSettings, check_generation
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.run_folder import SAMPLES_FILE, run_id
from calrec_recbole.runs.user_samples import read_samples

UNTUNED = {"train_steps": 0, "warmup_steps": 0, "valid_users": 1}


@pytest.fixture
def played(monkeypatch):
    """A vLLM that is there; the returned list holds what was saved for each engine and how often each was asked."""
    monkeypatch.setattr(vllm, "check_vllm", lambda: None)
    monkeypatch.setattr("calrec_recbole.engines.samplers.check_vllm", lambda: None)
    engines = []

    def load(model, save):
        engines.append({"model": model, "asked": 0})
        return engines[-1]

    def draw(llm, model, prompts, *wanted, seeds):
        assert llm["model"] is model
        llm["asked"] += len(prompts)
        return sample(model, prompts, *wanted, seeds=[seed + 1 for seed in seeds])

    monkeypatch.setattr(vllm, "load_vllm", load)
    monkeypatch.setattr(vllm, "sample_with_vllm", draw)
    return engines


def test_a_run_samples_with_the_engine_that_is_named_and_shares_no_samples(calrec_settings, played):
    settings = calrec_settings | {"use_gpu": False}
    trained = run("CALRec", overrides=settings, show=False)
    assert not played
    untuned = {**settings, **UNTUNED, "pre_model_path": str(trained.folder), "generation_engine": "vllm"}
    drawn = run("CALRec", overrides=untuned, show=False)
    assert [one["asked"] for one in played] == [1, 8]  # an engine of the weights as read, one of checkpoint/best
    native, theirs = ({own.key for own in read_samples(one.folder / SAMPLES_FILE)} for one in (trained, drawn))
    assert len(theirs) >= 8
    assert native.isdisjoint(theirs)


def refused(match, overrides, monkeypatch):
    monkeypatch.setattr("calrec_recbole.plugin.data.prepared.read_dataset", None)  # before the data are read
    with pytest.raises(ConfigError, match=match) as caught:
        run("CALRec", overrides={**overrides, "generation_engine": "vllm"}, show=False)
    assert "\n" not in str(caught.value)


def test_training_is_refused(calrec_settings, played, monkeypatch):
    refused(r"finished weights: set train_steps=0.* not train_steps=6", calrec_settings, monkeypatch)


def test_a_missing_package_is_told_before_the_data_are_read(calrec_settings, monkeypatch):
    monkeypatch.setattr(vllm, "find_spec", lambda name: None)
    refused(
        r"needs the package vllm: pip install vllm, or set generation_engine: native",
        calrec_settings | UNTUNED,
        monkeypatch,
    )


def test_several_processes_are_refused():
    untuned = Config("CALRec", "ml-100k", ["untuned"], {"generation_engine": "vllm", "gpu_id": ""})
    with pytest.raises(ConfigError, match="one process, not 2"):
        check_generation(CALRecSettings.from_config(untuned), 2)
    check_generation(CALRecSettings.from_config(Config("CALRec", "ml-100k", config_dict={"gpu_id": ""})), 2)


def test_native_runs_keep_their_ids():
    older, native, vllm = (
        run_id({"seed": 7, **engine}, {}, [InferenceSettings])
        for engine in ({}, {"generation_engine": "native"}, {"generation_engine": "vllm"})
    )
    assert older == native != vllm
