import json
import shutil

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

SIZES = {
    "LIR": {"retrieval": "okapi"},
    "Pop": {},
    "SASRec": {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "epochs": 2},
}


@pytest.mark.parametrize("model", SIZES)
def test_a_reloaded_run_gives_the_identical_metrics(model, tiny_settings):
    done = run(model, overrides={**tiny_settings, **SIZES[model]}, show=False)
    loaded = load_run(done.folder)
    assert type(loaded.model).__name__ == model
    assert not loaded.model.training
    trainer = trainer_for(model)(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.valid_data, load_best_model=False) == done.valid
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
    assert loaded.dataset.item_num == 9


def test_reloading_leaves_the_run_as_it_is(tiny_settings):
    folder = run("Pop", overrides=tiny_settings, show=False).folder
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    load_run(folder)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_an_unfinished_run_is_refused(tiny_settings):
    folder = run("Pop", overrides=tiny_settings, show=False).folder
    (folder / "metrics.json").unlink()
    with pytest.raises(DataError, match=r"not a finished run: it has no metrics\.json"):
        load_run(folder)


def test_changed_data_is_refused(tiny_settings, tiny_dataset):
    folder = run("Pop", overrides=tiny_settings, show=False).folder
    item_file = tiny_dataset / "Tiny" / "Tiny.item"
    item_file.write_text(item_file.read_text().replace("Red Glue", "Red Paste"))
    with pytest.raises(DataError, match=r"ran on other data: Tiny\.item"):
        load_run(folder)
    item_file.unlink()
    with pytest.raises(DataError, match="ran on other data"):
        load_run(folder)


def test_moved_data_is_found_where_the_caller_says(tiny_settings, tiny_dataset, tmp_path):
    done = run("Pop", overrides=tiny_settings, show=False)
    shutil.move(tiny_dataset, tmp_path / "elsewhere")
    with pytest.raises(DataError, match="--dataset=Tiny"):
        load_run(done.folder)
    loaded = load_run(done.folder, data_path=tmp_path / "elsewhere")
    trainer = trainer_for("Pop")(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test


def test_a_checkpoint_that_is_gone_is_named(tiny_settings):
    folder = run("SASRec", overrides={**tiny_settings, **SIZES["SASRec"]}, show=False).folder
    assert json.loads((folder / "checkpoint" / "state.json").read_text())["model"] == "SASRec"
    (folder / "checkpoint" / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"has no model\.safetensors"):
        load_run(folder)
