import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file

from calrec_recbole.baselines.unisrec.contrast import in_batch_contrast
from calrec_recbole.baselines.unisrec.pretraining_data import read_sources
from calrec_recbole.baselines.unisrec.training_modes import UniSRecSettings, sources_of
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for
from calrec_recbole.setting_groups import settings_of

SMALL = {"hidden_size": 8, "inner_size": 8, "n_exps": 3}


@pytest.fixture
def settings(text_settings, tiny_dataset):
    """Pretraining on Tiny and its copy Twin, two epochs."""
    shutil.copytree(tiny_dataset / "Tiny", tiny_dataset / "Twin")
    for file in (tiny_dataset / "Twin").iterdir():
        file.rename(file.with_name(file.name.replace("Tiny", "Twin")))
    return {
        **text_settings,
        **SMALL,
        "train_stage": "pretrain",
        "pretrain_datasets": ["Tiny", "Twin"],
        "pretrain_epochs": 2,
        "pretrain_batch_size": 16,
    }


def weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


@pytest.mark.parametrize("model", ["UniSRec", "UniSRecID"])
def test_pretrain_then_finetune(model, settings):
    pretrained = run("UniSRec", overrides=settings, show=False)
    assert "pretraining on Tiny, Twin: 16 items, 42 rows" in (pretrained.folder / "log.txt").read_text()
    tuning = {**settings, "train_stage": "finetune", "pre_model_path": str(pretrained.folder), "learning_rate": 0.1}
    done = run(model, overrides={**tuning, "freeze_encoder": True}, show=False)
    before, after = weights(pretrained.folder), weights(done.folder)
    frozen = {name for name in before if torch.equal(before[name], after[name])}
    assert frozen == {name for name in before if name.startswith(("position_embedding", "trm_encoder"))}
    assert ("item_embedding.weight" in after) is (model == "UniSRecID")
    missed = "item_embedding.weight" if model == "UniSRecID" else "none"
    assert f"missed: {missed}; left over: none" in (done.folder / "log.txt").read_text()
    shutil.rmtree(pretrained.folder)  # a finished run needs only its own weights
    loaded = load_run(done.folder)
    assert (
        trainer_for(model)(loaded.config, loaded.model).evaluate(loaded.test_data, load_best_model=False) == done.test
    )


def test_without_names_the_runs_own_data_set_is_the_source(settings):
    pretrained = run("UniSRec", overrides={**settings, "pretrain_datasets": [], "pretrain_epochs": 1}, show=False)
    assert "pretraining on Tiny: 8 items, 21 rows" in (pretrained.folder / "log.txt").read_text()


def test_a_pretraining_run_is_a_run_like_any_other(settings):
    done = run("UniSRec", overrides=settings, show=False)
    assert json.loads((done.folder / "metrics.json").read_text())["test"] == done.test
    assert math.isfinite(done.best_valid_score)
    loaded = load_run(done.folder)
    trainer = trainer_for("UniSRec")(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
    again = run("UniSRec", overrides=settings, show=False)
    assert again.test == done.test
    assert all(torch.equal(tensor, weights(done.folder)[name]) for name, tensor in weights(again.folder).items())


def test_without_freezing_everything_learns(settings):
    pretrained = run("UniSRec", overrides=settings, show=False)
    tuning = {**settings, "train_stage": "finetune", "pre_model_path": str(pretrained.folder), "learning_rate": 0.1}
    before, after = weights(pretrained.folder), weights(run("UniSRec", overrides=tuning, show=False).folder)
    assert not [name for name in before if torch.equal(before[name], after[name])]


def test_the_objective_is_both_contrasts_of_plainly_encoded_histories(settings, tmp_path):
    """Without dropout, noise and augmentation: every history is encoded on its own from a table of all items."""
    config = Config("UniSRec", config_dict={**settings, "item_drop_ratio": 0.0, "lambda": 0.5})
    config["checkpoint_dir"] = str(tmp_path / "checkpoint")
    model = build_model(config, prepare(config).loaders.train.dataset).eval()
    sources = read_sources(sources_of(model.settings, model.prepared), 0.15, 5)
    batch = sources.batch(torch.arange(10, 40))
    table = torch.cat([model.moe_adaptor(row[None]) for row in sources.features[: sources.n_items + 1]])
    users = torch.cat(
        [model(seq[None, :n], n[None], items=table) for seq, n in zip(batch.item_seq, batch.lengths, strict=True)]
    )
    expected = in_batch_contrast(users, table[batch.targets], batch.targets, 0.07)
    expected = expected + 0.5 * in_batch_contrast(users, users, batch.targets, 0.07)
    found = trainer_for("UniSRec")(config, model)._contrast(batch, sources)
    torch.testing.assert_close(found, expected)


def test_every_source_keeps_what_its_own_yaml_says(text_settings):
    """ml-100k's item columns are its own; the target's do not reach it."""
    config = Config("UniSRec", config_dict={**text_settings, "pretrain_datasets": ["ml-100k", "Tiny"], "n_exps": 3})
    film, tiny = (source.config for source in sources_of(settings_of(UniSRecSettings, config), prepare(config)))
    assert film["text_attributes"] == ["movie_title", "release_year", "class"]
    assert tiny["text_attributes"] == ["title", "category", "brand"]
    assert (film["n_exps"], tiny["n_exps"]) == (3, 3)
    back = Config("UniSRec", "ml-100k", config_dict={"pretrain_datasets": ["Tiny"]})
    (tiny,) = sources_of(settings_of(UniSRecSettings, back), prepare(back))
    assert tiny.settings.text_attributes == ["title", "category", "brand"]
