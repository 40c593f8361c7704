"""What a model of the user's own answers, and what its code raises."""

import re
import sys

import pytest
import torch

from calrec_recbole.cli.run_recbole import main
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin import runner

MODULE = """
import torch
from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender
from recbole.model.general_recommender import Pop
from recbole.utils import InputType
from torch import nn


class Sound(SequentialRecommender):
    input_type = InputType.POINTWISE

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.items, self.drop = nn.Embedding(self.n_items, 4), nn.Dropout(0.3)

    def scores(self, interaction):
        return self.drop(self.items(interaction[self.ITEM_SEQ])).mean(1) @ self.items.weight.T

    def calculate_loss(self, interaction):
        return nn.functional.cross_entropy(self.scores(interaction), interaction[self.ITEM_ID])

    def full_sort_predict(self, interaction):
        return self.scores(interaction) + 0 * torch.rand(1)


class Flat(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction).view(-1)


class Turned(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction).T.contiguous()


class Padless(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction)[:, 1:]


class Wide(Sound):
    def full_sort_predict(self, interaction):
        return torch.nn.functional.pad(self.scores(interaction), (0, 1))


class Row(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction)[None]


class Numpy(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction).numpy()


class Whole(Sound):
    def full_sort_predict(self, interaction):
        return self.scores(interaction).long()


class Nothing(Sound):
    def full_sort_predict(self, interaction):
        pass


class Broken(Sound):
    def full_sort_predict(self, interaction):
        return 1 / 0


class Pairless(Sound):
    def full_sort_predict(self, interaction):
        raise NotImplementedError


class Pairs(Sound):
    full_sort_predict = GeneralRecommender.full_sort_predict

    def predict(self, interaction):
        return self.scores(interaction).gather(1, interaction[self.ITEM_ID][:, None])[:, 0]


class FewPairs(Pairs):
    def predict(self, interaction):
        return super().predict(interaction)[1:]


class Mute(SequentialRecommender):
    input_type = InputType.POINTWISE


class Losses(Sound):
    def calculate_loss(self, interaction):
        return super().calculate_loss(interaction), super().calculate_loss(interaction)


class VectorLoss(Sound):
    def calculate_loss(self, interaction):
        return self.scores(interaction).mean(1)


class FloatLoss(Sound):
    def calculate_loss(self, interaction):
        return 0.5


class ListLoss(Sound):
    def calculate_loss(self, interaction):
        return [super().calculate_loss(interaction)]


class EndlessLoss(Sound):
    def calculate_loss(self, interaction):
        return super().calculate_loss(interaction) / 0


class FixedLoss(Sound):
    def calculate_loss(self, interaction):
        return torch.tensor(1.0)


class BrokenLoss(Sound):
    def calculate_loss(self, interaction):
        return {}["gone"]


class BrokenFromTheStart(Sound):
    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.items = self.items / 2


class OwnPop(Pop):
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction) / self.max_cnt
"""
SHAPE = r"Turned\.full_sort_predict gave \(9, 8\); wanted \(8, 9\): users by items, column 0 is the pad item"
FAULTS = {
    "Turned": SHAPE,
    "Padless": r"Padless\.full_sort_predict gave \(8, 8\); wanted \(8, 9\)",
    "Wide": r"gave \(8, 10\); wanted \(8, 9\)",
    "Row": r"gave \(1, 8, 9\); wanted \(8, 9\)",
    "Numpy": r"gave numpy\.ndarray; wanted a tensor of floats of shape \(8, 9\)",
    "Whole": r"gave a tensor \(int64\) of shape \(8, 9\); wanted a tensor of floats",
    "Nothing": r"gave NoneType; wanted a tensor",
    "Broken": r"models\.Broken\.full_sort_predict: ZeroDivisionError: division by zero \(guarded_models\.py, line",
    "Pairless": r"Pairless\.full_sort_predict: NotImplementedError",
    "FewPairs": r"FewPairs\.predict gave a tensor .*; wanted a score for each of the \d+ pairs",
    "Mute": r"Mute scores nothing: write full_sort_predict",
    "VectorLoss": r"VectorLoss\.calculate_loss gave a tensor \(float32\) of shape \(\d+,\); wanted a scalar tensor",
    "FloatLoss": r"calculate_loss gave float; wanted a scalar tensor",
    "ListLoss": r"calculate_loss gave list; wanted a scalar tensor",
    "EndlessLoss": r"calculate_loss gave inf at the first batch; wanted a finite loss",
    "FixedLoss": r"calculate_loss gave a loss without a gradient",
    "BrokenLoss": r"BrokenLoss\.calculate_loss: KeyError: 'gone' \(guarded_models\.py, line",
    "BrokenFromTheStart": r"BrokenFromTheStart\.__init__: TypeError: unsupported operand.* \(guarded_models\.py, line",
}
TRACED = ("Broken", "Pairless", "BrokenLoss", "BrokenFromTheStart")


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "guarded_models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield "guarded_models"
    sys.path[:] = path
    sys.modules.pop("guarded_models", None)


@pytest.fixture
def given(tiny_settings):
    return {**tiny_settings, "epochs": 1, "learner": "sgd"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_answer_is_one_line_before_anything_is_trained(own, given, name, tmp_path, capsys):
    assert main([f"--model={own}:{name}", *(f"--{key}={value}" for key, value in given.items())]) == 2
    told = capsys.readouterr().err
    (error,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert re.search(FAULTS[name], error)
    assert "Traceback" not in told
    assert "train loss" not in told
    logs = list((tmp_path / given["output_dir"]).rglob("log.txt"))
    assert any("Traceback (most recent call last)" in log.read_text() for log in logs) is (name in TRACED)


@pytest.mark.parametrize("name", ["Flat", "Pairs", "Losses"])
def test_what_recbole_takes_is_taken(own, given, name):
    found = runner.run(f"{own}:{name}", overrides=given, show=False)
    assert 0 < found.test["mrr_exp"] <= 1


def test_a_model_that_scores_after_training_only_is_no_fault(own, given):
    plain = runner.run("Pop", overrides=given, show=False)
    assert runner.run(f"{own}:OwnPop", overrides=given, show=False).test == plain.test


def test_the_trial_leaves_the_random_state(own, given, monkeypatch):
    tried = runner.run(f"{own}:Sound", overrides=given, show=False)
    monkeypatch.setattr(runner, "try_scores", lambda *_: None)
    untried = runner.run(f"{own}:Sound", overrides=given, show=False)
    assert tried.folder.name + "-2" == untried.folder.name
    weights = [torch.cat([value.flatten() for value in _weights(one.folder).values()]) for one in (tried, untried)]
    assert torch.equal(*weights)


def _weights(folder):
    from safetensors.torch import load_file

    return load_file(next((folder / "checkpoint").rglob("*.safetensors")))


def test_a_fault_at_a_later_batch_is_told_too(own, given):
    from calrec_recbole.plugin.reload import load_run

    loaded = load_run(runner.run(f"{own}:Sound", overrides=given, show=False).folder)
    batch = next(iter(loaded.test_data))[0]
    loaded.model.scores = lambda interaction: torch.zeros(len(interaction), 3)
    with pytest.raises(ConfigError, match=r"Sound\.full_sort_predict gave \(8, 3\); wanted \(8, 9\)"):
        loaded.model.full_sort_predict(batch)
