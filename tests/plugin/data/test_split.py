"""Parts of hand-made timelines, RecBole's rows under ``split: global_time``, and what is refused."""

import json
import logging

import numpy as np
import pytest

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import item_tokens, user_tokens
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.plugin.data.split import SplitSettings, event_parts, filled_share
from calrec_recbole.plugin.data.test_users import facts_of_run, user_facts
from calrec_recbole.plugin.runner import run

BY_TIME = {"split": "global_time", "global_time_shares": [0.6, 0.2, 0.2]}
DAY = 86_400

# ten events at times 0..9: periods 0-5, 6-7, 8-9
TIMELINE = ["ua", "ub", "wa", "wb", "wc", "xd", "ud", "xa", "wd", "yb"]  # user and item


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())["test"]


@pytest.fixture
def timeline(tiny_settings, tmp_path):
    folder = tmp_path / "timed" / "Timed"
    folder.mkdir(parents=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [f"{user}\t{item}\t{1_500_000_000 + 1000 * time}" for time, (user, item) in enumerate(TIMELINE)]
    (folder / "Timed.inter").write_text("\n".join(lines) + "\n")
    items = [
        "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token",
        *(f"{item}\tThing {item}\tC\tB\t1" for item in "abcd"),
    ]
    (folder / "Timed.item").write_text("\n".join(items) + "\n")
    return {**tiny_settings, "dataset": "Timed", "data_path": str(tmp_path / "timed")} | BY_TIME


def test_parts_of_a_timeline_by_hand():
    users = np.array([user for user, _ in TIMELINE])
    parts = event_parts(users, np.arange(10), SplitSettings(**BY_TIME))
    # u: a b | d; w: a b c | | d; x: d | a; y: b, which has no history; x's d alone teaches nothing
    assert parts.tolist() == [
        *("training", "training", "training", "training", "training", "unused"),
        *("validation", "validation", "test", "unused"),
    ]


def test_leave_one_out_by_hand():
    users = np.array(list("aabbbccccd"))
    parts = event_parts(users, np.arange(10), SplitSettings())
    assert parts.tolist() == [
        *("training", "training"),
        *("training", "training", "test"),
        *("training", "training", "validation", "test"),
        "unused",
    ]


def test_the_newest_event_of_a_period_is_the_target_and_its_others_are_history():
    parts = event_parts(np.zeros(10, int), np.arange(10), SplitSettings("global_time", [0.4, 0.3, 0.3]))
    assert parts.tolist() == ["training"] * 4 + ["unused"] * 2 + ["validation"] + ["unused"] * 2 + ["test"]


def test_equal_times_lie_in_one_period():
    times = np.array([0, 0, 0, 5, 5, 5, 5, 5, 5, 9])
    parts = event_parts(np.arange(10) % 2, times, SplitSettings("global_time", [0.5, 0.2, 0.3]))
    assert parts.tolist() == ["training"] * 9 + ["test"]  # the first border falls on 5: all of 5 belong before it


def test_rows_are_those_of_the_parts(timeline, sequences_in_rows):
    config = Config(
        "SASRec", config_dict={k: v for k, v in timeline.items() if k in ("dataset", "data_path", *BY_TIME)}
    )
    dataset = prepare(config).dataset
    facts = user_facts(dataset.prepared)
    items, users = item_tokens(dataset), user_tokens(dataset)
    data = dataset.prepared.loaders
    found = [
        [
            (users[user], items[item])
            for user, item in zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True)
        ]
        for rows in (part.dataset.inter_feat for part in data)
    ]
    assert found == [[("u", "b"), ("w", "b"), ("w", "c")], [("u", "d"), ("x", "a")], [("w", "d")]]
    trained = training_sequences(dataset.prepared.events)
    assert trained == sequences_in_rows(data.train.dataset)
    assert [[items[place + 1] for place in sequence] for sequence in trained] == [["a", "b"], ["a", "b", "c"]]
    test = data.test.dataset.inter_feat
    assert [items[item] for item in test["item_id_list"][0, :3].tolist()] == ["a", "b", "c"]
    known = dict(target="d", last_item="c", history_length=3, seen_before=False, training_count=0, validation_count=1)
    assert facts.to_dict("records") == [known | {"hops": 0}]


def test_nothing_learnt_is_younger_than_what_is_tested(timeline, write_dataset):
    """Against a walk over the events of a bigger random set."""
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(0, 40, 300))
    users = rng.integers(0, 30, 300)
    parts = event_parts(users, times, SplitSettings(**BY_TIME))
    assert set(parts) == {"training", "validation", "test", "unused"}
    first, second = (sorted(times.tolist())[int(share * 299)] for share in (0.6, 0.8))
    for event, (user, time, part) in enumerate(zip(users, times, parts, strict=True)):
        later = [other for other in range(event + 1, 300) if users[other] == user]
        older = [other for other in range(event) if users[other] == user]
        if part == "training":
            assert time <= first
        if part == "validation":
            assert first < time <= second
            assert older
            assert all(times[other] > second for other in later)
        if part == "test":
            assert time > second
            assert older
            assert not later
        if part == "unused" and time <= first:
            assert not older
            assert all(times[other] > first for other in later)


def test_a_run_evaluates_the_users_of_the_last_period(timeline):
    result = run("Pop", overrides=timeline, show=False)
    assert result.users == {"valid": 2, "test": 1, "test_in_all": 1}
    assert list(facts_of_run(result.folder).index) == ["w"]


def test_calrec_runs(timeline, calrec_settings):
    by_time = {key: timeline[key] for key in ("dataset", "data_path", *BY_TIME)}
    result = run("CALRec", overrides=calrec_settings | by_time, show=False)
    assert result.users == {"valid": 2, "test": 1, "test_in_all": 1}


def test_a_period_without_events_is_told(timeline):
    with pytest.raises(DataError, match=r"gives 5 training, 0 validation, 1 test rows at global_time_shares"):
        run("Pop", overrides=timeline | {"global_time_shares": [0.79, 0.02, 0.19]}, show=False)


def test_filled_times_are_seen(caplog, timeline, tmp_path):
    assert filled_share(np.array([1, 2, 1, 2, 1, 1]), np.array([0, 0, DAY, DAY, 2 * DAY, 2 * DAY])) == 1.0
    assert filled_share(np.array([1, 2, 1, 2]), np.array([0, 0, DAY, 5])) == 0.5
    assert filled_share(np.array([1, 2]), np.array([0, 0])) == 0.0
    caplog.set_level(logging.WARNING)
    run("Pop", overrides=timeline, show=False)
    assert "not all real" not in caplog.text
    file = tmp_path / "timed" / "Timed" / "Timed.inter"
    lines = [f"{user}\t{item}\t{1_500_000_000 + DAY * time}" for time, (user, item) in enumerate(TIMELINE)]
    file.write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "\n".join(lines) + "\n")
    run("Pop", overrides=timeline, show=False)
    assert "50 % of the gaps" in caplog.text  # u: 1 5, w: 1 1 4, x: 2


def test_a_run_that_was_split_otherwise_is_no_source(timeline, calrec_settings):
    settings = {**calrec_settings, "dataset": "Timed", "data_path": timeline["data_path"]}
    by_time, untuned = settings | BY_TIME, {"train_steps": 0, "warmup_steps": 0}
    trained = run("CALRec", overrides=by_time, show=False).folder
    again = run("CALRec", overrides={**by_time, **untuned, "pre_model_path": str(trained)}, show=False)
    assert again.users == {"valid": 2, "test": 1, "test_in_all": 1}
    assert metrics_of(again.folder) == metrics_of(trained)
    for setting in ("pre_model_path", "rerank_from"):
        for path in (trained, trained / "checkpoint" / "best"):
            other = {**by_time, **untuned, "global_time_shares": [0.5, 0.2, 0.3], setting: str(path)}
            with pytest.raises(ConfigError, match=rf"{setting}=.* was split by global_time .0.6, 0.2, 0.2."):
                run("CALRec", overrides=other, show=False)
    write = {**settings, **untuned, "pre_model_path": str(trained)}
    with pytest.raises(ConfigError, match="not by leave_one_out"):
        run("CALRec", overrides=write, show=False)


@pytest.mark.parametrize(
    "model",
    ["LIR", "UniSRec", "UniSRecID", "TIGER", "Recformer", "S3RecText", "FDSAText", "BERT4RecFull", "SASRec", "Pop"],
)
def test_every_models_defaults_fit(model):
    assert Config(model, "Timed", config_dict=BY_TIME)["split"] == "global_time"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "global_tim"}, "did you mean 'global_time'"),
        ({"global_time_shares": [0.8, 0.2]}, "three shares above 0 that add up to 1"),
        ({"global_time_shares": [0.8, 0.1, 0.2]}, "three shares above 0 that add up to 1"),
        ({"global_time_shares": [1.0, 0.0, 0.0]}, "three shares above 0 that add up to 1"),
        ({"train_stage": "joint"}, "train_stage=joint would learn from events after the point in time"),
        ({"split": "leave_one_out"}, "global_time_shares=.* has no effect with split=leave_one_out"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Config("CALRec", "Timed", config_dict=BY_TIME | change)
