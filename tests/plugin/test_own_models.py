"""A model of the user's own, beside the others: named by its address, known by its class."""

import json
import re
import sys

import pytest

from calrec_recbole.cli.calrec import main as calrec
from calrec_recbole.cli.run_recbole import main
from calrec_recbole.comparison.experiment import Row
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.own_models import own_files
from calrec_recbole.plugin.registry import known_model, model_class
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.run_identity import resolve
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.tie_aware_trainer import UntrainedTrainer, trainer_for
from calrec_recbole.report.inputs.finished_runs import read_run

MODULE = '''
import torch
from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender
from recbole.model.general_recommender import BPR, MultiVAE
from recbole.model.sequential_recommender import SASRec
from recbole.utils import InputType
from torch import nn


class LastItems(SequentialRecommender):
    """The mean of the embeddings of the newest items."""

    input_type = InputType.POINTWISE

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.newest = config["newest"] or 2
        self.items = nn.Embedding(self.n_items, config["width"] or 4, padding_idx=0)

    def forward(self, interaction):
        history, length = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        age = length[:, None] - 1 - torch.arange(history.shape[1])
        weight = ((age >= 0) & (age < self.newest)).float()
        return (self.items(history) * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)

    def calculate_loss(self, interaction):
        return nn.functional.cross_entropy(self.full_sort_predict(interaction), interaction[self.ITEM_ID])

    def full_sort_predict(self, interaction):
        return self.forward(interaction) @ self.items.weight.T


class NewestFirst(SequentialRecommender):
    """Learns nothing: scores an item by its place in the history."""

    input_type = InputType.POINTWISE

    def full_sort_predict(self, interaction):
        scores = torch.zeros(len(interaction), self.n_items)
        for place, items in enumerate(interaction[self.ITEM_SEQ].T):
            scores.scatter_(1, items[:, None], place + 1.0)
        return scores


class WiderSASRec(SASRec):
    pass


class OwnBPR(BPR):
    pass


class OwnVAE(MultiVAE):
    pass


class Unsaid(SequentialRecommender):
    def full_sort_predict(self, interaction):
        return torch.zeros(len(interaction), self.n_items)


class Text(Unsaid):
    input_type = "pointwise"


class Bare(nn.Module):
    pass
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a package ``mine`` of one module ``models``, which is the current one."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield "mine.models"
    sys.path[:] = path
    for name in ("mine", "mine.models"):
        sys.modules.pop(name, None)


def test_an_own_model_runs_is_reloaded_and_named_by_its_class(own, tiny_settings, tmp_path):
    (tmp_path / "mine.yaml").write_text("width: 6\nlearning_rate: 0.01\n")
    done = run(f"{own}:LastItems", config_files=["mine.yaml"], overrides={**tiny_settings, "newest": 3}, show=False)
    assert done.folder.parent.name == "LastItems"
    loaded = load_run(done.folder)
    assert (loaded.model.newest, loaded.model.items.weight.shape[1]) == (3, 6)
    trainer = trainer_for(loaded.config["model"])(loaded.config, loaded.model)
    assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test


def test_the_setting_that_the_model_does_not_read_is_an_error(own, tiny_settings):
    with pytest.raises(ConfigError, match=r"'newset' is unknown to mine\.models:LastItems; did you mean 'newest'"):
        Config(f"{own}:LastItems", config_dict={**tiny_settings, "newset": 3})


def test_a_model_on_recboles_has_the_settings_of_that_and_the_numbers(own, tiny_settings):
    theirs, ours = Config("SASRec", config_dict=tiny_settings), Config(f"{own}:WiderSASRec", config_dict=tiny_settings)
    for key in ("hidden_size", "train_batch_size", "stopping_step", "loss_type", "train_neg_sample_args"):
        assert ours[key] == theirs[key], key
    with pytest.raises(ConfigError, match="'trim_padding' is unknown"):
        Config(f"{own}:WiderSASRec", config_dict={**tiny_settings, "trim_padding": True})
    untrimmed = {**tiny_settings, "trim_padding": False}
    assert run(f"{own}:WiderSASRec", overrides=tiny_settings, show=False).test == (
        run("SASRec", overrides=untrimmed, show=False).test
    )


@pytest.mark.parametrize(("ours", "theirs"), [("OwnBPR", "BPR"), ("OwnVAE", "MultiVAE")])
def test_a_general_model_on_recboles_is_trained_as_that(own, tiny_settings, ours, theirs):
    found = [run(name, overrides=tiny_settings, show=False) for name in (f"{own}:{ours}", theirs)]
    assert found[0].test == found[1].test
    assert found[0].folder.parent.name == ours


def test_a_model_without_a_loss_is_not_trained(own, tiny_settings):
    assert trainer_for(f"{own}:NewestFirst") is UntrainedTrainer
    assert run(f"{own}:NewestFirst", overrides=tiny_settings, show=False).test["mrr_exp"] > 0


def test_the_code_is_part_of_what_a_run_means(own, tiny_settings, tmp_path, caplog):
    done = run(f"{own}:NewestFirst", overrides=tiny_settings, show=False)
    (file,) = own_files(model_class(f"{own}:NewestFirst"))
    assert "model" in json.loads((done.folder / "environment.json").read_text())["data_sha256"]
    file.write_text(MODULE + "# another one\n")
    again = run(f"{own}:NewestFirst", overrides=tiny_settings, show=False)
    assert again.folder.name.partition("-2")[0] != done.folder.name  # not the same run once more
    load_run(done.folder)
    assert f"{file} has changed since this run" in caplog.text


FAULTS = {
    "mine.models:Missing": r"models.py has no class Missing",
    "mine.models:Bare": "is no class of RecBole's SequentialRecommender or GeneralRecommender",
    "mine.models:nn": "is no class of RecBole's",
    "nowhere:LastItems": "there is no module nowhere, neither in .* nor installed",
    "mine.nowhere:LastItems": "there is no module mine.nowhere",
    "nowhere.models:LastItems": "nowhere.models cannot be imported: .*No module named 'nowhere'",
    "mine/models.py:LastItems": "names a file: write mine.models:LastItems",
    "mine.models:Unsaid": r"error: mine.models.Unsaid has no input_type: write input_type = InputType.POINTWISE",
    "mine.models:Text": "mine.models.Text has input_type='pointwise': write",
    "mine.models.LastItems": "is no name of a model; one of your own is mine.models:LastItems",
    "mine/models.py": "one of your own is mine.models:CLASS",
    "mine.models:": "must be package.module:Class",
    "mine.models:a.b": "must be package.module:Class",
    "mine.models:SASRec": "SASRec is the name of a model that is known",
    "broken:Model": "broken cannot be imported: SyntaxError",
    "lacking:Model": "lacking cannot be imported: .*No module named 'not_installed'",
    "recbole.model.context_aware_recommender.fm:FM": "derives from neither",
}


@pytest.mark.parametrize("address", FAULTS)
def test_what_cannot_be_run_is_one_line(own, tmp_path, tiny_settings, capsys, address):
    (tmp_path / "broken.py").write_text("class Model(:\n")
    (tmp_path / "lacking.py").write_text("import not_installed\n")
    assert main([f"--model={address}", *(f"--{key}={value}" for key, value in tiny_settings.items())]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line != "loading torch and RecBole ..."]
    assert len(told) == 1
    assert told[0].startswith(("error: model=", "error: mine.models."))
    assert re.search(FAULTS[address], told[0])


def test_only_the_parents_are_imported_to_see_whether_a_module_is_there(own):
    assert known_model(f"{own}:LastItems") == f"{own}:LastItems"
    assert own not in sys.modules


def test_help_tells_the_settings_of_what_it_derives_from(own, capsys):
    assert main([f"--model={own}:WiderSASRec", "--help"]) == 0
    told = capsys.readouterr().out
    assert "--hidden_size=64" in told
    assert "--stopping_step=5" in told
    assert "trim_padding" not in told


def test_a_comparison_calls_it_by_its_class_and_finds_its_runs(own, tiny_settings, tmp_path):
    row = Row(f"{own}:NewestFirst")
    assert row.label == "NewestFirst"
    own_settings = {key: value for key, value in tiny_settings.items() if key != "dataset"}
    asked = {"model": row.model, "dataset": "Tiny", "config_files": [], "settings": own_settings, "shared": {"k1": 1}}
    answer = resolve(asked)
    done = run(row.model, overrides=tiny_settings, show=False)
    assert (answer["parent"], answer["run_id"]) == (str(done.folder.parent), done.folder.name)
    assert str(tmp_path / "mine" / "models.py") in answer["files"]
    assert read_run(done.folder).model == "NewestFirst"


def test_it_is_tuned(own, tiny_settings, tmp_path, capsys):
    shared = [f"--{key}={value}" for key, value in tiny_settings.items() if key not in ("dataset", "output_dir")]
    (tmp_path / "space.yaml").write_text("newest: {choices: [1, 3]}\n")
    asked = ["tune", f"--model={own}:LastItems", "--dataset=Tiny", "--space=space.yaml", "--trials=2", "--out=tuning"]
    assert calrec([*asked, *shared]) == 0
    assert "newest:" in (tmp_path / "tuning" / "Tiny" / "LastItems" / "best.yaml").read_text()
