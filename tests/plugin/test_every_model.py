"""Every sequential and general model of RecBole runs by name for an epoch; scores, metrics and reload are checked."""

from pathlib import Path

import pytest
import recbole
import torch

from calrec_recbole.plugin.registry import OF_A_GRAPH, recbole_models
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

FEATURES = {name: {"selected_features": ["category"]} for name in ("FDSA", "GRU4RecF", "SASRecF")}
SETTINGS = {
    **FEATURES,
    "S3Rec": {"item_attribute": "category", "pretrain_epochs": 1},
    "GRU4RecCPR": {"reranker_CAN_NUM": 5},  # of 8 items
    "SASRecCPR": {"reranker_CAN_NUM": 5},
    "NCL": {"num_clusters": 3},
}
ANEW = ("ADMMSLIM", "Random")  # at each call other random numbers are added to the scores, or are the scores


@pytest.mark.parametrize("model", sorted(set(recbole_models()) - set(OF_A_GRAPH)))
def test_one_epoch(model, tiny_settings):
    done = run(model, overrides={**tiny_settings, **SETTINGS.get(model, {})}, show=False)
    loaded = load_run(done.folder)
    trainer = trainer_for(model)(loaded.config, loaded.model)
    again = trainer.evaluate(loaded.test_data, load_best_model=False)
    assert again == done.test or model in ANEW
    with torch.no_grad():
        _, scores, _, targets = trainer._full_sort_batch_eval(next(iter(loaded.test_data)))
    assert scores.shape == (len(targets), 9)  # pad and a-h
    assert torch.isfinite(scores[:, 1:]).all()


def test_s3rec_is_fine_tuned_from_its_pretrained_weights(tiny_settings):
    settings = {**tiny_settings, **SETTINGS["S3Rec"]}
    pretrained = run("S3Rec", overrides=settings, show=False).folder / "checkpoint" / "S3Rec-Tiny-1.pth"
    second = {**settings, "train_stage": "finetune", "pre_model_path": str(pretrained)}
    assert run("S3Rec", overrides=second, show=False).best_valid_score > 0


ML100K = Path(recbole.__file__).parent / "dataset_example" / "ml-100k"
ON_ML100K = {
    **{name: {"selected_features": ["class"]} for name in FEATURES},
    "S3Rec": {"item_attribute": "class", "pretrain_epochs": 1},
    "RaCT": {"pretrain_epochs": 1},
    "NCL": {"num_clusters": 10},  # of 49 users
    "DGCF": {"train_batch_size": 256},  # draws as many users a batch as items
}


@pytest.fixture(scope="module")
def slice_of_ml100k(tmp_path_factory):
    """A ``data_path`` with ML: the events of ml-100k's users 1 to 49 with its films 1 to 299."""
    folder = tmp_path_factory.mktemp("dataset") / "ML"
    folder.mkdir()
    head, *events = (ML100K / "ml-100k.inter").read_text().splitlines()
    kept = [line for line in events if int(line.split("\t")[0]) < 50 and int(line.split("\t")[1]) < 300]
    (folder / "ML.inter").write_text("\n".join([head, *kept]) + "\n")
    (folder / "ML.item").write_text((ML100K / "ml-100k.item").read_text())
    return folder.parent


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(set(recbole_models()) - set(OF_A_GRAPH)))
def test_one_epoch_on_a_slice_of_ml100k(model, slice_of_ml100k, tmp_path):
    here = {"data_path": str(slice_of_ml100k), "output_dir": str(tmp_path), "gpu_id": "", "show_progress": False}
    done = run(model, "ML", overrides={**here, "epochs": 1, **ON_ML100K.get(model, {})}, show=False)
    assert done.users["test"] == 49
    assert 0 < done.test["mrr_pes"] <= done.test["mrr_exp"] <= done.test["mrr_opt"]
