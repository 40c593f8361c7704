"""Only a run of the very same weights gives its samples to another."""

import json

import pytest

from calrec_recbole.plugin.calrec.stages import samples_before
from calrec_recbole.runs.run_folder import SAMPLES_FILE
from calrec_recbole.runs.user_samples import Origin, UserSamples, write_samples
from calrec_recbole.training.best_weights import weights_name

DRAWN = [UserSamples("test", "u1", "a", [("Title: Tape.", -1.5)]), UserSamples("test", "u2", "b", [("Glue", -3.0)])]
BY_KEY = {one.key: one for one in DRAWN}


@pytest.fixture
def run(tmp_path):
    """A run folder with weights, the best and those of a step, and its samples."""
    for name in ("best", "step-4"):
        folder = tmp_path / "checkpoint" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
        (folder / "config.json").touch()
        (folder / "state.json").write_text(json.dumps({"run": "7-ab", "step": 4, "nats": 31.25}))
    write_samples(tmp_path / SAMPLES_FILE, DRAWN)
    return tmp_path


def before(path, steps=0):
    return samples_before(str(path), steps)


def test_only_the_same_weights_share_their_samples(run):
    assert before(run) == before(run / "checkpoint" / "best") == BY_KEY
    assert before(run / "checkpoint" / "step-4") == {}
    assert before(run, steps=5) == before("") == {}
    (run / SAMPLES_FILE).unlink()
    assert before(run) == {}


def test_weights_trained_once_more_have_other_samples(run):
    best = run / "checkpoint" / "best"
    write_samples(run / SAMPLES_FILE, DRAWN, Origin(weights_name(best)))
    assert before(run) == BY_KEY
    (best / "state.json").write_text(json.dumps({"run": "7-ab", "step": 4, "nats": 31.250001}))
    assert before(run) == {}


def test_the_id_of_a_run_that_trains_nothing_stands_for_its_weights(run):
    """Its validation samples before the state is written."""
    best = run / "checkpoint" / "best"
    for nats in (1.0, 2.0):
        (best / "state.json").write_text(json.dumps({"run": "7-ab", "step": 0, "nats": nats}))
        assert weights_name(best) == "7-ab step 0"
