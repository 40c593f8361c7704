"""``retrieval: rerank`` from runs: what the ends of the weight mean, what validation chooses, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from calrec_recbole.cli.calrec import main
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation import metric_value, tie_ranks
from calrec_recbole.experimental.unseen_bonus import BONUSES
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.recommender import Recommender
from calrec_recbole.reranking.candidates import target_logprobs

RANKS = ["user_id", "item_id", "optimistic", "pessimistic"]


@pytest.fixture(scope="module")
def shared():
    """Folders of the two stages, made once."""
    return {}


@pytest.fixture
def stages(shared, calrec_settings, tiny_settings):
    if not shared:
        shared["first"] = run("SASRec", overrides={**tiny_settings, "epochs": 1}, show=False).folder
        shared["calrec"] = run("CALRec", overrides={**calrec_settings, "beta": 0.0}, show=False).folder
        shared["data"] = calrec_settings["data_path"]
    return shared


@pytest.fixture
def rerank(stages, calrec_settings):
    return {
        **calrec_settings,
        **{"data_path": stages["data"], "train_steps": 0, "warmup_steps": 0, "beta": 0.0},
        **{"pre_model_path": str(stages["calrec"]), "retrieval": "rerank", "rerank_from": str(stages["first"])},
        **{"rerank_engine": "okapi", "rerank_candidates": 3},
    }


def ranks_of(folder):
    return pd.read_parquet(folder / "ranks.parquet")[RANKS]


@pytest.mark.parametrize("way", ["logprob", "texts"])
def test_weight_1_is_the_first_stage(stages, rerank, way):
    result = run("CALRec", overrides={**rerank, "rerank_weight": 1, "rerank_by": way}, show=False)
    pd.testing.assert_frame_equal(ranks_of(result.folder), ranks_of(stages["first"]))


def test_weight_0_over_all_items_is_the_order_of_their_log_probabilities(stages, rerank):
    result = run("CALRec", overrides={**rerank, "rerank_weight": 0.0, "rerank_candidates": 1000}, show=False)
    _, model, dataset, *_, test = load_run(stages["calrec"])
    rows = test._dataset.inter_feat
    histories = model.histories(rows)
    own = model.recommender
    everything = np.ones((len(histories), len(own.catalogue)), bool)
    scores = torch.from_numpy(target_logprobs(own.backbone, own.items, histories, everything))
    optimistic, pessimistic = tie_ranks(scores, rows[dataset.iid_field] - 1)
    found = ranks_of(result.folder)
    assert found["optimistic"].tolist() == optimistic.tolist()
    assert found["pessimistic"].tolist() == pessimistic.tolist()


def test_several_first_stages_count_by_the_mean_of_their_scaled_scores(stages, rerank, tiny_settings):
    other = run("LIR", overrides={**tiny_settings, "data_path": stages["data"], "retrieval": "okapi"}, show=False)
    both = {"rerank_from": [str(stages["first"]), str(other.folder)], "rerank_by": "texts", "rerank_weight": 1}
    result = run("CALRec", overrides={**rerank, **both, "rerank_candidates": 1000}, show=False)
    scores = 0.0
    for folder in (stages["first"], other.folder):
        _, model, dataset, *_, test = load_run(folder)
        rows = test._dataset.inter_feat
        own = model.full_sort_predict(rows).view(len(rows), -1)[:, 1:].double()
        low, high = own.amin(1, keepdim=True), own.amax(1, keepdim=True)
        scores = scores + (own - low) / (high - low)
    optimistic, pessimistic = tie_ranks(scores, rows[dataset.iid_field] - 1)
    found = ranks_of(result.folder)
    assert found["optimistic"].tolist() == optimistic.tolist()
    assert found["pessimistic"].tolist() == pessimistic.tolist()
    hashes = json.loads((result.folder / "environment.json").read_text())["data_sha256"]
    assert hashes["rerank_from"] != hashes["rerank_from.1"]


def test_validation_chooses_the_weight_and_a_reloaded_run_keeps_it(rerank):
    result = run("CALRec", overrides={**rerank, "valid_users": 0}, show=False)
    found = json.loads((result.folder / "environment.json").read_text())
    values = found["by_weight"]
    assert set(values) == {str(step / 10) for step in range(11)}
    assert found["rerank_weight"] == float(max(values, key=lambda weight: (values[weight], -float(weight))))
    assert result.valid["ndcg_pes@10"] == pytest.approx(max(values.values()))
    for weight in (found["rerank_weight"], 0.7):
        fixed = run("CALRec", overrides={**rerank, "valid_users": 0, "rerank_weight": weight}, show=False)
        assert fixed.valid["ndcg_pes@10"] == pytest.approx(values[str(weight)])
    _, model, dataset, *_, test = load_run(result.folder)
    rows = test._dataset.inter_feat
    ranks = tie_ranks(model.full_sort_predict(rows), rows[dataset.iid_field])
    assert metric_value("mrr_pes", *ranks) == pytest.approx(result.test["mrr_pes"])
    (result.folder / "checkpoint" / "rerank.json").write_text('{"rerank_w')
    with pytest.raises(DataError, match=r"rerank.json is damaged"):
        load_run(result.folder)


@pytest.fixture
def late(write_dataset, calrec_settings, tiny_settings):
    """Settings over a data set whose items y and z come last alone, in validation and test."""
    name = write_dataset("Late", {f"u{n}": f"{'abcdef'[n:]}{'abcdef'[:n]}{'yz' if n % 2 else 'zb'}" for n in range(6)})
    first = run("SASRec", overrides={**tiny_settings, "dataset": name}, show=False).folder
    calrec = run("CALRec", overrides={**calrec_settings, "dataset": name}, show=False).folder
    return {
        **{**calrec_settings, "dataset": name, "train_steps": 0, "warmup_steps": 0, "valid_users": 0},
        **{"pre_model_path": str(calrec), "retrieval": "rerank", "rerank_from": str(first), "rerank_engine": "okapi"},
        **{"rerank_by": "texts", "rerank_candidates": 1000},
    }


def test_a_bonus_lifts_the_items_that_no_training_row_holds(late):
    """The reference adds it to the scores of two separate ends of the weight, which know of no bonus."""
    ends = [run("CALRec", overrides={**late, "rerank_weight": end}, show=False).folder for end in (0, 1)]
    result = run("CALRec", overrides={**late, "rerank_weight": 0.5, "rerank_unseen": 0.3}, show=False)
    loaded = [load_run(folder) for folder in ends]
    rows = loaded[0].test_data._dataset.inter_feat
    train = loaded[0].train_data._dataset.inter_feat
    seen = {*train["item_id"].tolist(), *train["item_id_list"].flatten().tolist()}
    unseen = torch.tensor([item not in seen for item in range(1, loaded[0].dataset.item_num)])
    assert unseen.nonzero().flatten().tolist() == [6, 7]
    own, others = (one.model.full_sort_predict(rows)[:, 1:] for one in loaded)
    ranks = tie_ranks(0.5 * (own + 0.3 * unseen) + 0.5 * (others + 0.3 * unseen), rows["item_id"] - 1)
    found = ranks_of(result.folder)
    assert [found["optimistic"].tolist(), found["pessimistic"].tolist()] == [ranks[0].tolist(), ranks[1].tolist()]


def test_validation_chooses_the_bonus_after_the_weight(late, monkeypatch):
    auto = {**late, "rerank_unseen": "auto"}
    asked, draw = [], Recommender.predictions
    monkeypatch.setattr(
        Recommender, "predictions", lambda self, *given: asked.extend(given[1]) or draw(self, *given)
    )  # the seeds, one a prompt
    result = run("CALRec", overrides={**auto, "rerank_unseen_loss": 0.3}, show=False)
    found = json.loads((result.folder / "environment.json").read_text())
    assert len(asked) == 6  # validation users, in two passes; the test's samples are those of the run before
    values, counts = found["by_unseen"], found["unseen_found"]
    assert set(values) == set(counts) == {str(bonus) for bonus in BONUSES}
    assert values["0.0"] == pytest.approx(max(found["by_weight"].values()))
    kept = [bonus for bonus in BONUSES if values[str(bonus)] >= 0.7 * max(values.values())]
    assert found["rerank_unseen"] == max(kept, key=lambda bonus: (counts[str(bonus)], -bonus))
    fixed = {"rerank_weight": found["rerank_weight"], "rerank_unseen": found["rerank_unseen"]}
    same = run("CALRec", overrides={**auto, **fixed}, show=False)
    assert same.valid["ndcg_pes@10"] == pytest.approx(result.valid["ndcg_pes@10"])
    assert same.test == pytest.approx(result.test)
    assert load_run(result.folder).model.reranker.bonus == found["rerank_unseen"]


def test_recommend_names_the_run_behind(rerank, capsys):
    folder = run("CALRec", overrides={**rerank, "rerank_weight": 0.5}, show=False).folder
    assert main(["recommend", f"--run={folder}", "--history=a"]) == 2
    told = "reranks the items of another model: give --user, or the CALRec run behind it, its pre_model_path"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_steps": 3}, "set train_steps=0"),
        ({"pre_model_path": ""}, "and pre_model_path"),
        (
            {"retrieval": "okapi", "rerank_from": "", "rerank_unseen": "auto"},
            "rerank_unseen='auto' has no effect: set retrieval=rerank",
        ),
        ({"rerank_unseen": "atuo", "rerank_by": "texts"}, "rerank_unseen='atuo' must be auto, or a finite number"),
        ({"rerank_unseen": "auto"}, "rerank_unseen='auto' is added to scaled scores: set rerank_by=texts"),
        ({"rerank_unseen_loss": 1.0}, "rerank_unseen_loss=1.0 must be below 1"),
        ({"retrieval": "okapi"}, "rerank_from=.* has no effect: set retrieval=rerank"),
        ({"MAX_ITEM_LIST_LENGTH": 3}, "reads 5 items, not 3: set MAX_ITEM_LIST_LENGTH=5"),
        ({"rerank_from": ""}, "must be the folder of a finished run"),
        ({"rerank_from": ["nowhere", "elsewhere"], "rerank_by": "texts"}, "rerank_from='nowhere' is no folder"),
        ({"rerank_from": [".", "."]}, "several runs, .*: set rerank_by=texts"),
        ({"rerank_from": "nowhere"}, "rerank_from='nowhere' is no folder"),
        ({"rerank_by": "logprobs"}, "did you mean 'logprob'"),
        ({"evaluate_minutes": 5.0}, "rerank_by=logprob draws none: set rerank_by=texts, or evaluate_minutes=0"),
        ({"rerank_weight": 2}, "rerank_weight=2 must be auto, or at most 1"),
        ({"rerank_weight": "automatic"}, "rerank_weight='automatic' must be auto, or a finite number"),
        ({"rerank_candidates": 0}, "rerank_candidates=0 must be at least 1"),
        ({"rerank_engine": "lucen", "rerank_by": "texts"}, "did you mean 'lucene'"),
    ],
)
def test_what_does_not_fit_is_refused(rerank, change, message):
    with pytest.raises(ConfigError, match=message):
        run("CALRec", overrides={**rerank, **change}, show=False)


def test_a_run_on_other_data_is_refused(rerank, tiny_settings, write_dataset):
    other = run(
        "Pop", overrides={**tiny_settings, "dataset": write_dataset("Films", {"v": "mnopq", "w": "qponm"})}, show=False
    )
    overrides = {**rerank, "rerank_from": str(other.folder), "data_path": tiny_settings["data_path"]}
    with pytest.raises(ConfigError, match="ran on Films with other items than Tiny"):
        run("CALRec", overrides=overrides, show=False)
