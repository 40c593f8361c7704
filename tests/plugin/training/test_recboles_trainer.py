"""A model of RecBole's under our trainer against RecBole's own Config, Dataset, Trainer and evaluation."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import recbole
from recbole.config import Config as RecBoleConfig
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

from calrec_recbole.evaluation.per_user import read_ranks
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.curves import read_points

BUNDLED = Path(recbole.__file__).parent / "dataset_example" / "ml-100k"
SLICE = {
    **{"user_inter_num_interval": "[0,22]", "MAX_ITEM_LIST_LENGTH": 10, "train_batch_size": 256, "epochs": 1},
    **{"seed": 2020, "show_progress": False, "train_neg_sample_args": None, "loss_type": "CE", "gpu_id": ""},
}


@pytest.fixture(scope="module")
def short_histories(tmp_path_factory):
    """ml-100k under a name of its own: RecBole would take the bundled file, which is not in the order of time."""
    folder = tmp_path_factory.mktemp("data") / "Short"
    folder.mkdir()
    shutil.copy(BUNDLED / "ml-100k.item", folder / "Short.item")
    events = pd.read_csv(BUNDLED / "ml-100k.inter", sep="\t")
    events.sort_values("timestamp:float", kind="stable").to_csv(folder / "Short.inter", sep="\t", index=False)
    return folder.parent


@pytest.fixture(scope="module")
def recboles_own(short_histories, tmp_path_factory):
    """Training loss, metrics on validation and on test."""
    own = {
        **{"data_path": str(short_histories), "checkpoint_dir": str(tmp_path_factory.mktemp("saved"))},
        **{"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "metrics": ["NDCG", "Recall", "MRR"]},
        **{"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}, "topk": [10]},
        **{"valid_metric": "NDCG@10", "metric_decimal_place": 12},
    }
    config = RecBoleConfig(model="SASRec", dataset="Short", config_dict=SLICE | own)
    init_seed(config["seed"], True)
    train, valid, test = data_preparation(config, create_dataset(config))
    init_seed(config["seed"], True)
    model = get_model("SASRec")(config, train.dataset)
    trainer = Trainer(config, model)
    _, on_valid = trainer.fit(train, valid, saved=False, show_progress=False)
    return trainer.train_loss_dict[0], on_valid, trainer.evaluate(test, load_best_model=False, show_progress=False)


def test_an_epoch_of_sasrec_is_recboles_in_loss_and_metrics(recboles_own, short_histories, tmp_path):
    """Without trim_padding, which draws other dropout. RecBole's MRR is 0 below the tenth rank."""
    told = {"data_path": str(short_histories), "output_dir": str(tmp_path), "trim_padding": False, "topk": [1, 10]}
    found = run("SASRec", "Short", overrides=SLICE | told, show=False)
    loss, on_valid, on_test = recboles_own
    losses = [point.value for point in read_points(found.folder / "curves.csv") if point.metric == "train/loss"]
    assert losses == pytest.approx([loss], rel=1e-7)
    for ours, theirs in ((found.valid, on_valid), (found.test, on_test)):
        for case in ("opt", "exp", "pes"):
            assert ours[f"ndcg_{case}@10"] == pytest.approx(theirs["ndcg@10"], abs=1e-11)
            assert ours[f"recall_{case}@10"] == pytest.approx(theirs["recall@10"], abs=1e-11)
    ranks = read_ranks(found.folder)["optimistic"]
    assert (1 / ranks).where(ranks <= 10, 0).mean() == pytest.approx(on_test["mrr@10"], abs=1e-11)
