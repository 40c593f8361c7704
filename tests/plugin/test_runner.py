import json
import math
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.evaluation import metric_names, read_ranks, without_last_item
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

SIZES = {
    "LIR": {"retrieval": "okapi"},
    "Pop": {},
    "SASRec": {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1},
    "GRU4Rec": {"embedding_size": 8, "hidden_size": 8, "num_layers": 1},
}
FILES = [
    *("checkpoint", "config.yaml", "curves.csv", "environment.json", "log.txt", "metrics.json", "ranks.parquet"),
    "tensorboard",
]


@pytest.mark.parametrize("model", SIZES)
def test_scores_are_users_by_items_and_the_pad_item_lies_below(model, tiny_settings, tmp_path):
    """The contract of every model: (users, items), finite, the pad item -inf."""
    config = Config(model, config_dict={**tiny_settings, **SIZES[model]})
    config["checkpoint_dir"] = str(tmp_path / "checkpoint")
    data = prepare(config).loaders
    trainer = trainer_for(model)(config, build_model(config, data.train.dataset))
    trainer.fit(data.train, data.valid)
    trainer.evaluate_ranks(data.test)
    for batch in data.test:
        _, scores, _, targets = trainer._full_sort_batch_eval(batch)
        assert scores.shape == (len(targets), 9)  # pad and a-h
        assert scores.dtype == (torch.float64 if model in ("LIR", "Pop") else torch.float32)
        assert torch.isfinite(scores[:, 1:]).all()
        assert (scores[:, 0] == -torch.inf).all()


@pytest.mark.parametrize("model", SIZES)
def test_a_run_leaves_one_folder(model, tiny_settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    result = run(model, overrides={**tiny_settings, **SIZES[model]})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dataset", "runs"]  # nothing else is written
    assert result.folder.parent == tmp_path / "runs" / "Tiny" / model
    assert sorted(entry.name for entry in result.folder.iterdir()) == FILES
    metrics = json.loads((result.folder / "metrics.json").read_text())
    assert {part: metrics[part] for part in ("valid", "test")} == {"valid": result.valid, "test": result.test}
    assert set(metrics) == {"valid", "test", "ties"}
    assert list(metrics["test"]) == list(metrics["valid"]) == metric_names()
    shown = capsys.readouterr().out
    assert f"{metrics['test']['mrr_pes']:.4f}" in shown
    assert str(result.folder) in shown
    log = (result.folder / "log.txt").read_text()
    assert "Tiny: 8 users, 8 items, 45 events; 8 users to validate on, 8 to test on" in log
    assert re.search(rf"{model}: (no|[\d,]+) parameters on CPU, \d+ threads?\n", log)
    assert "(item_embedding)" not in log
    assert not re.search(r"\d\.\d{7}", log)
    recorded = json.loads((result.folder / "environment.json").read_text())["parameters"]
    assert (recorded > 0) == (model in ("SASRec", "GRU4Rec"))


@pytest.mark.parametrize("model", SIZES)
def test_metrics_follow_from_the_ranks_on_disk(model, tiny_settings):
    result = run(model, overrides={**tiny_settings, **SIZES[model]}, show=False)
    ranks = pd.read_parquet(result.folder / "ranks.parquet")
    assert list(ranks.columns[:4]) == ["user_id", "item_id", "optimistic", "pessimistic"]
    views = [f"{case}_{view}" for view in ("masked", "equivalent") for case in ("optimistic", "pessimistic")]
    assert list(ranks.columns[4:]) == views
    targets = dict(zip(ranks["user_id"], ranks["item_id"], strict=True))
    assert targets == dict(u0="f", u1="g", u2="d", u3="h", u4="c", u5="b", u6="a", u7="g")
    for case, column in (("opt", "optimistic"), ("pes", "pessimistic")):
        places = ranks[column]
        assert result.test[f"mrr_{case}"] == pytest.approx((1 / places).mean())
        assert result.test[f"recall_{case}@1"] == pytest.approx((places == 1).mean())
        assert result.test[f"ndcg_{case}@10"] == pytest.approx((1 / np.log2(1 + places)).mean())


def test_the_same_run_gives_the_same_numbers_and_keeps_the_first(tiny_settings):
    settings = {**tiny_settings, **SIZES["SASRec"], "epochs": 2}
    first = run("SASRec", overrides=settings, show=False)
    before = {file.name: file.read_bytes() for file in first.folder.iterdir() if file.is_file()}
    second = run("SASRec", overrides=settings, show=False)
    assert second.folder.name == f"{first.folder.name}-2"
    assert (first.valid, first.test) == (second.valid, second.test)
    assert before == {file.name: file.read_bytes() for file in first.folder.iterdir() if file.is_file()}
    other = run("SASRec", overrides={**settings, "seed": 1}, show=False)
    assert other.folder.name.startswith("1-")
    assert other.valid != first.valid


def test_an_interrupted_run_is_done_again(tiny_settings, monkeypatch):
    settings = {**tiny_settings, **SIZES["SASRec"]}
    expected = run("SASRec", overrides={**settings, "output_dir": settings["output_dir"] + "-whole"}, show=False)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("calrec_recbole.evaluation.RankTable.write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run("SASRec", overrides=settings, show=False)
    folder = next(tmp for tmp in expected.folder.parents if tmp.name == "runs-whole").parent / "runs/Tiny/SASRec"
    assert [entry.name for entry in folder.iterdir()] == [expected.folder.name]
    assert not (folder / expected.folder.name / "metrics.json").exists()
    again = run("SASRec", overrides=settings, show=False)
    assert again.folder == folder / expected.folder.name
    assert again.test == expected.test


def test_the_config_is_plain_and_gives_the_run_again(tiny_settings):
    first = run("LIR", overrides={**tiny_settings, **SIZES["LIR"]}, show=False)
    settings = yaml.safe_load((first.folder / "config.yaml").read_text())
    assert (settings["model"], settings["dataset"], settings["bm25_k1"]) == ("LIR", "Tiny", 1.5)
    again = run(config_files=[first.folder / "config.yaml"], show=False)
    assert again.folder.name == f"{first.folder.name}-2"
    assert again.test == first.test


def test_the_environment_is_told(tiny_settings):
    folder = run("Pop", overrides=tiny_settings, show=False).folder
    found = json.loads((folder / "environment.json").read_text())
    assert {"python", "torch", "recbole", "numpy"} <= set(found["versions"])
    assert found["seed"] == 2020
    assert found["devices"]["device"] == "cpu"
    assert set(found["data_sha256"]) == {"inter", "item"}
    assert list(found["seconds"]) == ["data", "model", "train", "evaluate"]
    assert all(spent["wall"] >= 0 and spent["cpu"] >= 0 for spent in found["seconds"].values())
    assert found["peak_memory_mib"]["process"] > 50


def test_the_log_has_no_colours_and_is_the_runs_own(tiny_settings):
    for seed in (1, 2):
        folder = run("Pop", overrides={**tiny_settings, "seed": seed}, show=False).folder
        log = (folder / "log.txt").read_text()
        assert str(folder) in log
        assert "\x1b" not in log
        assert len(re.findall("8 users to validate on", log)) == 1


def test_pop_equals_counting_by_hand(tiny_settings):
    """Training events by item: a 6, b 6, c 7, d 3, e 5, f 3, g 3, h 3; ties are counted both ways."""
    result = run("Pop", overrides=tiny_settings, show=False)
    ranks = pd.read_parquet(result.folder / "ranks.parquet").set_index("user_id")
    histories = ["abcdef", "bcaedg", "cbhafd", "gabch", "hgfedc", "acegb", "fedcba", "dahbg"]
    counts = dict.fromkeys("abcdefgh", 0)
    for history in histories:
        for item in history[:-2]:
            counts[item] += 1
    for number, history in enumerate(histories):
        own = counts[history[-1]]
        assert ranks.loc[f"u{number}", "optimistic"] == 1 + sum(count > own for count in counts.values())
        assert ranks.loc[f"u{number}", "pessimistic"] == sum(count >= own for count in counts.values())
        others = [count for item, count in counts.items() if item != history[-2]]  # the last item masked
        assert ranks.loc[f"u{number}", "optimistic_masked"] == 1 + sum(count > own for count in others)
        assert ranks.loc[f"u{number}", "pessimistic_masked"] == sum(count >= own for count in others)


def test_a_target_that_is_the_last_item_has_no_masked_rank(tiny_settings, tiny_dataset):
    file = tiny_dataset / "Tiny" / "Tiny.inter"
    events = "".join(f"u9\t{item}\t{1_600_000_000 + 1000 * place}\n" for place, item in enumerate("acebb"))
    file.write_text(file.read_text() + events)
    result = run("Pop", overrides=tiny_settings, show=False)
    ranks = read_ranks(result.folder)
    assert list(ranks.index[ranks["optimistic_masked"].isna()]) == ["u9"]
    assert len(without_last_item(ranks)) == 8


def test_wrong_settings_leave_no_folder(tiny_settings, tmp_path):
    for wrong in ({"learning_rat": 1}, {"dataset": "Nowhere"}):
        with pytest.raises(CalrecError):
            run("SASRec", overrides={**tiny_settings, **wrong}, show=False)
    assert not (tmp_path / "runs").exists()


def test_sizes_that_do_not_fit_are_a_config_error(tiny_settings):
    with pytest.raises(ConfigError, match=r"SASRec cannot be built: .*hidden size"):
        run("SASRec", overrides={**tiny_settings, "hidden_size": 7, "n_heads": 2}, show=False)


def test_no_epoch_evaluates_the_untrained_model(tiny_settings):
    result = run("SASRec", overrides={**tiny_settings, **SIZES["SASRec"], "epochs": 0}, show=False)
    assert set(result.valid) == set(metric_names())
    assert not math.isfinite(result.best_valid_score)


def test_other_cut_offs_keep_the_default_validation_metric(tiny_settings):
    result = run("LIR", overrides={**tiny_settings, **SIZES["LIR"], "topk": "[3]", "metrics": "ndcg"}, show=False)
    assert list(result.test) == ["ndcg_opt@3", "ndcg_exp@3", "ndcg_pes@3"]
    assert 0 < result.best_valid_score < 1


def test_ml_100k(tmp_path):
    """RecBole's bundled data through the whole run."""
    overrides = {**SIZES["LIR"], "MAX_ITEM_LIST_LENGTH": 2, "gpu_id": "", "show_progress": False}
    result = run("LIR", "ml-100k", overrides={**overrides, "output_dir": str(tmp_path)}, show=False)
    ranks = pd.read_parquet(result.folder / "ranks.parquet")
    assert len(ranks) == ranks["user_id"].nunique() == 943
    assert ranks["pessimistic"].max() <= 1682
    assert (ranks["optimistic"] <= ranks["pessimistic"]).all()
    assert (ranks["optimistic"] < ranks["pessimistic"]).any()  # 1,682 items have 1,664 texts


@pytest.mark.parametrize("model", ["BPR", "LIR", "CALRec"])
def test_the_lists_of_a_test_are_kept_and_measured(model, tiny_settings, calrec_settings):
    asked = {"top_items": 3, "list_metrics": ["coverage", "popularity", "gini", "novelty"], "topk": [1, 3]}
    own = {"CALRec": calrec_settings, "LIR": {**tiny_settings, "retrieval": "okapi"}}.get(model, tiny_settings)
    done = run(model, overrides={**own, **asked}, show=False)
    plain = run(model, overrides=own | {"topk": [1, 3]}, show=False)
    assert done.test == plain.test
    assert plain.lists == {}
    assert not (plain.folder / "topk.parquet").exists()
    loaded, lists = load_run(done.folder), pd.read_parquet(done.folder / "topk.parquet")
    with torch.no_grad():
        for batch in loaded.test_data:
            scores = loaded.model.full_sort_predict(batch[0]).view(len(batch[3]), -1)[:, 1:]
            for user, own_scores in zip(batch[0]["user_id"], scores, strict=True):
                mine = lists[lists["user_id"] == loaded.dataset.id2token("user_id", int(user))]
                best = torch.sort(own_scores, descending=True, stable=True)
                assert mine["item_id"].tolist() == [
                    loaded.dataset.id2token("item_id", int(item) + 1) for item in best.indices[:3]
                ]
                assert mine["score"].tolist() == pytest.approx(best.values[:3].tolist())
    found = json.loads((done.folder / "metrics.json").read_text())["lists"]
    assert found == done.lists
    assert found["coverage_low@3"] <= lists["item_id"].nunique() / 8 <= found["coverage_high@3"]
    counts = Counter(item for _, item in training_pairs(loaded))
    drawn = lists["item_id"].map(counts).groupby(lists["user_id"]).mean().mean()
    assert found["popularity_low@3"] - 1e-9 <= drawn <= found["popularity_high@3"] + 1e-9


def training_pairs(loaded):
    """User and item of every event but each user's last two."""
    prepared = loaded.dataset.prepared
    events = list(zip(prepared.events.users, prepared.events.items, strict=True))
    left = Counter(user for user, _ in events)
    for user, item in events:
        if left[user] > 2:
            yield user, prepared.items[item]
        left[user] -= 1
