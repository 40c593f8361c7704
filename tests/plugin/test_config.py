import logging
import os
import sys
from collections.abc import Sequence
from typing import get_args, get_origin

import numpy as np
import pytest
import torch
import yaml

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.registry import OURS
from calrec_recbole.setting_groups import keys_of


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


@pytest.mark.parametrize(
    ("model", "key", "told"),
    [
        ("SASRec", "temperature", "'temperature' is unknown to SASRec: it is a setting of CALRec, "),
        ("SASRec", "temprature", "did you mean 'temperature', a setting of CALRec, "),
        ("SASRec", "epoch", "did you mean 'epochs'?"),
        ("CALRec", "train_step", "did you mean 'train_steps'?"),
        ("Pop", "xyzzy", "'xyzzy' is unknown to Pop$"),
    ],
)
def test_a_hint_names_the_model_or_the_spelling(model, key, told):
    with pytest.raises(ConfigError, match=told):
        Config(model, "ml-100k", config_dict={key: 1})


@pytest.mark.parametrize("model", ["Pop", "CALRec"])
def test_device_has_four_names_and_no_numbers(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Config(model, "ml-100k", config_dict={"device": "auto"})["device"] == torch.device("cpu")
    on_cpu = Config(model, "ml-100k", config_dict={"device": "cpu"})
    assert (on_cpu["device"], on_cpu.settings["use_gpu"]) == (torch.device("cpu"), False)
    with pytest.raises(ConfigError, match="torch finds no CUDA device"):
        Config(model, "ml-100k", config_dict={"device": "cuda"})
    with pytest.raises(ConfigError, match=r"device='cuda:1' must be one of auto, cpu, cuda, xla.*: set gpu_id=1$"):
        Config(model, "ml-100k", config_dict={"device": "cuda:1"})
    with pytest.raises(ConfigError, match=r"device='tpu' must be one of"):
        Config(model, "ml-100k", config_dict={"device": "tpu"})


NUMBERS = [
    ("SASRec", "eval_batch_size", 0, "must be at least 1"),
    ("SASRec", "train_batch_size", -1, "must be at least 1"),
    ("SASRec", "MAX_ITEM_LIST_LENGTH", 0, "must be at least 1"),
    ("SASRec", "MAX_ITEM_LIST_LENGTH", 10**12, "must be at most 1e6"),
    ("SASRec", "hidden_dropout_prob", 1.5, "must be below 1"),
    ("SASRec", "learning_rate", float("nan"), "must be a finite number"),
    ("SASRec", "hidden_size", 10**12, "must be at most 1e5"),
    ("SASRec", "epochs", -1, "must be at least 0"),
    ("SASRec", "seed", -1, "must be at least 0"),
    ("SASRec", "clip_grad_norm", {"max_norm": float("inf")}, "must hold finite numbers"),
    ("SASRec", "topk", [5, "abc"], "must be whole numbers of at least 1"),
    ("SASRec", "topk", [True], "must be whole numbers of at least 1"),
    ("CALRec", "alpha", float("nan"), "must be a finite number"),
    ("CALRec", "beta", float("inf"), "must be a finite number"),
    ("CALRec", "tau_c", float("nan"), "must be a finite number"),
    ("CALRec", "weight_decay", 1e12, "must be at most 1e3"),
    ("CALRec", "bm25_k1", 1e12, "must be at most 1e6"),
    ("CALRec", "rerank_weight", float("nan"), "must be auto, or a finite number"),
    ("CALRec", "rerank_unseen_loss", float("nan"), "must be a finite number"),
    ("CALRec", "lora_alpha", float("nan"), "must be a finite number"),
    ("CALRec", "checkpoint_minutes", float("nan"), "must be a finite number"),
    ("CALRec", "lora_rank", 10**12, "must be at most 16384"),
    ("CALRec", "n_gen", 10**12, "must be at most 1e9"),
    ("CALRec", "max_new_tokens", 10**12, "must be auto, or at most 1e6"),
    ("CALRec", "scratch_num_hidden_layers", 10**12, "this machine has"),
    ("CALRec", "scratch_vocab_size", 10**12, "this machine has"),
    ("CALRec", "scratch_hidden_size", 6 * 10**11, "this machine has"),
    ("Recformer", "scratch_vocab_size", 10**12, "this machine has"),
    ("UniSRec", "lambda", float("nan"), "must be a finite number"),
]


@pytest.mark.parametrize(("model", "key", "value", "told"), NUMBERS)
def test_a_number_out_of_its_range_is_named_before_data_are_read(model, key, value, told):
    with pytest.raises(ConfigError, match=told) as raised:
        Config(model, "ml-100k", config_dict={key: value})
    assert key in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_numbers_out_of_range_are_told_at_once():
    given = {"temperature": -1.0, "n_gen": 0, "train_steps": -5, "pooling": "median", "tau_c": 0, "eval_batch_size": 0}
    with pytest.raises(ConfigError) as raised:
        Config("CALRec", "ml-100k", config_dict=given)
    assert all(f"{key}=" in str(raised.value) for key in given)


@pytest.mark.parametrize("model", OURS)
def test_every_number_of_a_group_has_a_range(model):
    for group in Config(model, "ml-100k").groups:
        for key, one in keys_of(group).items():
            kinds = {one.type} if get_origin(one.type) is Sequence else set(get_args(one.type) or (one.type,))
            if kinds & {int, float} and key != "gpu_id":  # a name
                assert one.metadata.get("within"), f"{key} of {group.__name__} has no range"


def test_the_shipped_numbers_lie_in_their_ranges():
    for model in [*OURS, "SASRec", "GRU4Rec", "BERT4Rec", "Caser", "NPE", "HRM", "NextItNet", "CORE", "SINE"]:
        Config(model, "ml-100k")


@pytest.mark.parametrize("key", ["MODEL_TYPE", "local_rank", "run_dir"])
def test_derived_settings_are_not_given(key):
    with pytest.raises(ConfigError, match="is unknown"):
        Config("SASRec", "ml-100k", config_dict={key: "x"})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"metrics": ["auc"]}, "must be chosen from ndcg, recall, mrr, hit, precision, map"),
        ({"list_metrics": ["ndcg"]}, r"list_metrics=.'ndcg'. .* coverage, .*, novelty \(metrics has the others\)"),
        ({"metrics": ["ndgc"]}, "metrics=.'ndgc'. .* map; did you mean 'ndcg'"),
        ({"metrics": ["ndcg", "Gini"]}, r"metrics=.* \(list_metrics has the others\)$"),
        ({"list_metrics": ["gni"]}, "list_metrics=.'gni'. .* novelty; did you mean 'gini'"),
        ({"output_dir": f"{__file__}/runs"}, r"output_dir=.*: .*test_config\.py is a file: give a folder"),
        ({"top_items": -1}, "top_items=-1 must be at least 0"),
        ({"valid_metric": "NDCG@10"}, "did you mean 'ndcg_"),
        ({"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "mode": "uni100"}}, "must be 'full'"),
        ({"save_dataset": True}, "pickles"),
        ({"checkpoint_dir": "elsewhere"}, "has no effect"),
        ({"topk": [0]}, "topk=.0. must be whole numbers of at least 1"),
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
