"""``checkpoint/best``: whole and of the run, or refused with its path."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.training import Fit, Training


@pytest.fixture
def best(tmp_path):
    save_file({"weight": torch.ones(30)}, tmp_path / "model.safetensors")
    (tmp_path / "state.json").write_text(json.dumps({"run": "7-ab", "step": 4}))
    return tmp_path


@pytest.fixture
def interrupted(calrec_settings, monkeypatch):
    """The checkpoint folder of a run of six steps that was left before step ``step``."""

    def start(step=4, **changes):
        def before(self, original=Training._one_step):
            if self.step == step:
                raise KeyboardInterrupt
            return original(self)

        settings = {**calrec_settings, "checkpoint_minutes": 0.0, **changes}
        with monkeypatch.context() as patch:
            patch.setattr(Training, "_one_step", before)
            with pytest.raises(KeyboardInterrupt):
                run("CALRec", overrides=settings, show=False)
        folders = Path(settings["output_dir"], "Tiny", "CALRec").glob("*/checkpoint")
        return max(folders, key=lambda folder: folder.stat().st_mtime)

    return start


def test_a_run_does_not_go_on_without_its_best_weights(interrupted, calrec_settings):
    checkpoint = interrupted()
    shutil.rmtree(checkpoint / "best")
    with pytest.raises(DataError, match=rf"{checkpoint}/best does not hold the weights of step \d.* to start anew"):
        run("CALRec", overrides={**calrec_settings, "checkpoint_minutes": 0.0}, show=False)


def test_a_run_does_not_go_on_from_the_state_of_another(interrupted, calrec_settings):
    """The same shapes and tokenizer, another learning rate."""
    other, own = interrupted(step=2, learning_rate=0.1), interrupted()
    shutil.rmtree(own / "last")
    shutil.copytree(other / "last", own / "last")
    with pytest.raises(DataError, match=f"checkpoint {own}/last belongs to another run, of other settings or data"):
        run("CALRec", overrides={**calrec_settings, "checkpoint_minutes": 0.0}, show=False)


def test_a_damaged_best_is_found_before_training_goes_on(interrupted, calrec_settings, monkeypatch):
    checkpoint = interrupted()
    weights = checkpoint / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    monkeypatch.setattr(Fit, "_train_until", None)
    with pytest.raises(DataError, match=rf"checkpoint {weights} is damaged"):
        run("CALRec", overrides={**calrec_settings, "checkpoint_minutes": 0.0}, show=False)


def test_reloading_refuses_weights_that_are_cut_or_anothers(calrec_settings):
    folder = run("CALRec", overrides=calrec_settings, show=False).folder
    best, before = folder / "checkpoint" / "best", (folder / "checkpoint" / "best" / "model.safetensors").read_bytes()
    for content in (before[:-1], before[:100], b""):
        (best / "model.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match=f"{best}") as caught:
            load_run(folder)
        assert "\n" not in str(caught.value)
    # all but the last norm: embeddings, the head tied to them, 4 maps of attention, 3 of the MLP, 2 norms
    save_file({"model.norm.weight": torch.ones(16)}, best / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"{best} cannot be loaded \(its weights lack 11 tensors"):
        load_run(folder)
