import json
import math

import pytest
import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.trainer import S3RecTrainer, Trainer
from recbole.utils import InputType

from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.evaluation.rank_table import RankTable
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model
from calrec_recbole.plugin.training.tie_aware_trainer import TieHonest, UntrainedTrainer, trainer_for

SMALL = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1}


class Fixed(SequentialRecommender):
    """Item i scores ``by_item[i]`` for everybody."""

    input_type = InputType.POINTWISE

    def __init__(self, config, dataset, by_item):
        super().__init__(config, dataset)
        self.by_item = torch.tensor(by_item)

    def full_sort_predict(self, interaction):
        return self.by_item.repeat(len(interaction), 1)


class OneByOne(Fixed):
    """The same without ``full_sort_predict``."""

    full_sort_predict = SequentialRecommender.full_sort_predict

    def predict(self, interaction):
        return self.by_item[interaction[self.ITEM_ID]]


@pytest.fixture
def prepared(tiny_settings, tmp_path):
    config = Config("SASRec", config_dict={**tiny_settings, **SMALL, "topk": [1, 2]})
    config["checkpoint_dir"] = str(tmp_path / "checkpoint")
    dataset = prepare(config).dataset
    return config, dataset, dataset.prepared.loaders


@pytest.mark.parametrize("kind", [Fixed, OneByOne])
def test_ties_are_counted(kind, prepared):
    """All 8 items tie: the optimistic rank is 1, the pessimistic one 8."""
    config, dataset, data = prepared
    trainer = UntrainedTrainer(config, kind(config, dataset, [3.0] * 9))
    table = trainer.evaluate_ranks(data.test)
    assert table.optimistic.tolist() == [1] * 8
    assert table.pessimistic.tolist() == [8] * 8
    found = trainer.evaluate(data.test, load_best_model=False)
    assert (found["mrr_opt"], found["mrr_pes"], found["recall_pes@2"]) == (1, 1 / 8, 0)


@pytest.mark.parametrize("kind", [Fixed, OneByOne])
def test_the_history_is_not_masked_and_the_pad_item_is(kind, prepared):
    """Item 0 is the pad: best of all by its own score, yet no target falls behind it."""
    config, dataset, data = prepared
    model = kind(config, dataset, [99.0, *map(float, range(8, 0, -1))])  # internal id i has rank i
    table = UntrainedTrainer(config, model).evaluate_ranks(data.test)
    assert torch.equal(table.optimistic, table.items)
    assert torch.equal(table.pessimistic, table.items)


def test_nan_names_the_model(prepared):
    config, dataset, data = prepared
    trainer = UntrainedTrainer(config, Fixed(config, dataset, [0.0] * 8 + [math.nan]))
    with pytest.raises(ScoreError, match="SASRec: NaN among the scores"):
        trainer.evaluate_ranks(data.test)


def test_the_validation_score_is_not_rounded(prepared):
    config, dataset, data = prepared
    trainer = UntrainedTrainer(config, Fixed(config, dataset, [0.0, *map(float, range(8, 0, -1))]))
    score, found = trainer._valid_epoch(data.valid)
    ranks = [int(target) for batch in data.valid for target in batch[3]]
    assert score == pytest.approx(sum(1 / math.log2(1 + rank) for rank in ranks) / 8, abs=1e-12)
    assert round(score, 4) != score
    assert list(found)[:2] == ["ndcg_opt@2", "ndcg_exp@2"]


def test_training_leaves_the_best_weights(prepared, tmp_path):
    config, _, data = prepared
    config["epochs"] = 3
    model = build_model(config, data.train.dataset)
    trainer = trainer_for("SASRec")(config, model)
    best, result = trainer.fit(data.train, data.valid)
    assert 0 < best <= 1  # ndcg_pes@10, which is not among the metrics shown
    assert list(result) == trainer.metric_names
    trainer.finished()
    assert sorted(file.name for file in (tmp_path / "checkpoint").iterdir()) == ["model.safetensors", "state.json"]
    expected = trainer.evaluate(data.valid)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert trainer.evaluate(data.valid) == expected == result


def table_of(optimistic, pessimistic):
    """One user's."""
    return RankTable(*(torch.tensor([rank]) for rank in (1, 1, optimistic, pessimistic, 0, 0, 0, 0)))


@pytest.mark.parametrize(("metric", "epoch", "score"), [("mrr_pes", 1, 1 / 3), ("mrr_exp", 0, 761 / 280 / 8)])
def test_the_case_of_ties_that_selects_the_weights_can_be_chosen(metric, epoch, score, prepared, tmp_path, monkeypatch):
    """Over the ranks 1 to 8 the mean of 1 / rank is 761 / 280 / 8 = .340, above that of rank 3 without a tie."""
    config, _, data = prepared
    config["epochs"], config["valid_metric"] = 2, metric
    trainer = trainer_for("SASRec")(config, build_model(config, data.train.dataset))
    tables = iter([table_of(1, 8), table_of(3, 3)])
    monkeypatch.setattr(trainer, "evaluate_ranks", lambda *_, **__: next(tables))
    best, _ = trainer.fit(data.train, data.valid)
    assert best == pytest.approx(score)
    assert json.loads((tmp_path / "checkpoint" / "state.json").read_text())["epoch"] == epoch


def test_without_data_there_is_no_result(prepared):
    config, dataset, _ = prepared
    assert UntrainedTrainer(config, Fixed(config, dataset, [0.0] * 9)).evaluate([]) is None


def test_resuming_recboles_models_is_refused(prepared):
    config, dataset, _ = prepared
    with pytest.raises(ConfigError, match="the command of an interrupted run resumes it"):
        UntrainedTrainer(config, Fixed(config, dataset, [0.0] * 9)).resume_checkpoint("x.pth")


def test_a_nan_loss_names_the_model(prepared):
    config, dataset, _ = prepared
    with pytest.raises(ScoreError, match="SASRec: the training loss is NaN; lower learning_rate"):
        UntrainedTrainer(config, Fixed(config, dataset, [0.0] * 9))._check_nan(torch.tensor(math.nan))


def test_every_model_gets_its_own_trainer():
    assert issubclass(trainer_for("SASRec"), Trainer)
    assert issubclass(trainer_for("S3Rec"), S3RecTrainer)
    assert trainer_for("LIR") is UntrainedTrainer
    for name in ("SASRec", "S3Rec", "Pop", "LIR"):
        assert trainer_for(name).__mro__.index(TieHonest) < trainer_for(name).__mro__.index(Trainer)


def test_without_a_run_no_tensorboard_is_written(prepared, tmp_path, monkeypatch):
    import recbole.trainer.trainer

    config, dataset, data = prepared
    original = recbole.trainer.trainer.get_tensorboard
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    trainer_for("SASRec")(config, build_model(config, dataset)).fit(data.train, data.valid)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "checkpoint", *before]
    assert recbole.trainer.trainer.get_tensorboard is original


class Halves(UntrainedTrainer):
    """Tells of the first user of each batch before the batch is done."""

    def _batch_ranks(self, batch):
        self.tell(1)
        return super()._batch_ranks(batch)


@pytest.mark.parametrize(("show", "name"), [("evaluate_ranks", "Validate"), ("test", "Test")])
def test_the_bar_counts_each_user_once_and_says_what_is_evaluated(show, name, prepared, capsys):
    config, dataset, data = prepared
    for kind in (UntrainedTrainer, Halves):
        trainer = kind(config, Fixed(config, dataset, [3.0] * 9))
        getattr(trainer, show)(data.test, show_progress=True)
        shown = capsys.readouterr().err
        assert f"{name}: 100%" in shown
        assert "8/8" in shown
        assert "user/s" in shown
