import logging
import os
import sys

import numpy as np
import pytest
import torch
import yaml

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config


def test_later_sources_win(tmp_path):
    (tmp_path / "one.yaml").write_text("learning_rate: 1e-2\nepochs: 7\nseed: 1\n")
    (tmp_path / "two.yaml").write_text("epochs: 8\nseed: 2\n")
    config = Config("SASRec", "ml-100k", [tmp_path / "one.yaml", tmp_path / "two.yaml"], {"seed": 3})
    assert (config["learning_rate"], config["epochs"], config["seed"]) == (0.01, 8, 3)
    assert config["valid_metric"] == "ndcg_pes@10"  # ours above RecBole's MRR@10
    assert config["item_attributes"][0]["field"] == "movie_title"  # the data set's above overall.yaml's
    assert config["weight_decay"] == 0.0  # RecBole's own


def test_texts_of_the_dict_are_yaml_and_never_code():
    config = Config(
        "SASRec", "ml-100k", config_dict={"learning_rate": "1e-4", "topk": "[5, 20]", "benchmark_filename": "os"}
    )
    assert (config["learning_rate"], config["topk"], config["benchmark_filename"]) == (1e-4, [5, 20], "os")
    with pytest.raises(ConfigError, match="must be a whole number"):
        Config("SASRec", "ml-100k", config_dict={"epochs": "__import__('os').getpid()"})


def test_separators_stay_texts():
    assert Config("SASRec", "ml-100k", config_dict={"seq_separator": " "})["seq_separator"] == " "


def test_the_command_line_is_not_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x", "--epochs=99", "--learning_rat=1"])
    assert Config("SASRec", "ml-100k")["epochs"] == 300


def test_all_faults_of_all_sources_are_reported_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rat: 1\n")
    with pytest.raises(ConfigError) as caught:
        Config("SASRec", "ml-100k", [tmp_path / "a.yaml"], {"hiden_size": 3, "n_layers": "two"})
    for part in (
        "did you mean 'learning_rate'?",
        "did you mean 'hidden_size'?",
        "n_layers='two' must be a whole number",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setting_of_another_model_is_unknown():
    with pytest.raises(ConfigError, match="'hidden_size' is unknown to LIR"):
        Config("LIR", "ml-100k", config_dict={"hidden_size": 64})


def test_settings_that_only_a_models_source_reads_are_known():
    assert Config("FEARec", "ml-100k", config_dict={"contrast": "us_x", "sim": "dot"})["contrast"] == "us_x"


@pytest.mark.parametrize("key", ["device", "MODEL_TYPE", "local_rank", "run_dir"])
def test_derived_settings_are_not_given(key):
    with pytest.raises(ConfigError, match="is unknown"):
        Config("SASRec", "ml-100k", config_dict={key: "x"})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"metrics": ["Hit"]}, "must be chosen from ndcg, recall, mrr"),
        ({"valid_metric": "NDCG@10"}, "did you mean 'ndcg_"),
        ({"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "mode": "uni100"}}, "must be 'full'"),
        ({"save_dataset": True}, "pickles"),
        ({"checkpoint_dir": "elsewhere"}, "has no effect"),
        ({"topk": [0]}, "topk must be a positive integer"),
        ({"repeatable": False}, "repeatable"),
        ({"train_neg_sample_args": {"distribution": "uniform"}}, "should be None"),
    ],
)
def test_what_the_evaluation_cannot_honour_is_an_error(given, reason):
    with pytest.raises(ConfigError, match=reason):
        Config("SASRec", "ml-100k", config_dict=given)


def test_metrics_of_recboles_spelling_are_accepted():
    assert Config("SASRec", "ml-100k", config_dict={"metrics": ["NDCG", "Recall"], "topk": 20})["topk"] == [20]


NEGATIVES = {"SASRec": "none", "BERT4Rec": "none", "FPMC": "uniform", "TransRec": "uniform", "DIN": "uniform"}


@pytest.mark.parametrize(("model", "negatives"), NEGATIVES.items())
def test_negatives_are_sampled_only_where_the_loss_takes_them(model, negatives):
    assert Config(model, "ml-100k")["train_neg_sample_args"]["distribution"] == negatives


def test_a_pairwise_loss_keeps_its_negatives():
    config = Config("SASRec", "ml-100k", config_dict={"loss_type": "BPR"})
    assert config["train_neg_sample_args"]["distribution"] == "uniform"


def test_named_item_columns_are_loaded():
    assert Config("FDSA", "ml-100k")["load_col"]["item"] == ["item_id", "class"]
    assert Config("S3Rec", "ml-100k")["load_col"]["item"] == ["item_id", "class"]
    assert "item" not in Config("SASRec", "ml-100k")["load_col"]


def test_resolved_settings_make_an_equal_config(tmp_path):
    config = Config("FDSA", "ml-100k", config_dict={"learning_rate": 1e-5, "data_path": "some/where"})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.settings))
    again = Config(config_file_list=[tmp_path / "config.yaml"])
    assert again.settings == config.settings
    assert {key: again[key] for key in config.final_config_dict} == config.final_config_dict


def test_the_environment_and_recboles_globals_stay_as_they_were(monkeypatch):
    from recbole.utils import dataset_arguments

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    before = list(dataset_arguments)
    level = logging.getLogger().level
    Config("SASRec", "ml-100k")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert dataset_arguments == before
    assert logging.getLogger().level == level


@pytest.mark.parametrize("given", [{"gpu_id": ""}, {"gpu_id": None}, {"use_gpu": False}, {"gpu_id": []}])
def test_no_gpu_is_the_cpu(given, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Config("SASRec", "ml-100k", config_dict=given)["device"] == torch.device("cpu")


@pytest.mark.parametrize(("gpu", "index"), [(0, 0), ("1", 1), ("1,0", 1), ([1], 1)])
def test_the_first_gpu_named_is_taken(gpu, index, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert Config("SASRec", "ml-100k", config_dict={"gpu_id": gpu})["device"] == torch.device("cuda", index)
    assert chosen == [index]
    with pytest.raises(ConfigError, match="not one of the 2 visible devices"):
        Config("SASRec", "ml-100k", config_dict={"gpu_id": 2})


def test_model_and_data_set_may_stand_in_a_file(tmp_path):
    (tmp_path / "run.yaml").write_text("model: Pop\ndataset: ml-100k\n")
    config = Config(config_file_list=[tmp_path / "run.yaml"])
    assert (config["model"], config["dataset"]) == ("Pop", "ml-100k")
    with pytest.raises(ConfigError, match="model and dataset must be given"):
        Config(config_dict={"model": "Pop"})


def test_numpy_types_are_no_surprise():
    """HyperTuning hands over NumPy scalars."""
    config = Config("SASRec", "ml-100k", config_dict={"learning_rate": np.float64(0.01), "n_layers": np.int64(1)})
    assert yaml.safe_load(yaml.safe_dump(config.settings))["n_layers"] == 1
