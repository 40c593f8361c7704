"""Facts of the tiny data set by counting letters, and against the rows that RecBole's own split leaves."""

from collections import Counter

import numpy as np
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.evaluation.user_slices import user_slices
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import item_tokens, user_tokens
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.test_users import facts_of_run, user_facts
from calrec_recbole.plugin.runner import run

HISTORIES = dict(v1="abab", v2="abcaa", v3="abcde", v4="abx", v5="ay", v6="aaabf", v7="z", v8="abcex")


@pytest.fixture
def config(tiny_settings, write_dataset):
    return Config("Pop", config_dict={**tiny_settings, "dataset": write_dataset("Odd", HISTORIES)})


def test_facts_by_hand(config):
    facts = user_facts(prepare(config))
    assert list(facts.index) == ["v1", "v2", "v3", "v4", "v6", "v8"]  # two events or fewer are not tested
    assert facts["target"].tolist() == ["b", "a", "e", "x", "f", "x"]
    assert facts["last_item"].tolist() == ["a", "a", "d", "b", "b", "e"]
    assert facts["history_length"].tolist() == [3, 4, 4, 2, 4, 4]
    assert facts["seen_before"].tolist() == [True, True, False, False, False, False]
    # training parts: ab, abc, abc, ab, ay, aaa, abc; validation: a, a, d, b, e
    assert facts["training_count"].tolist() == [5, 9, 0, 0, 0, 0]
    assert facts["validation_count"].tolist() == [1, 2, 1, 0, 0, 0]
    # training steps: a-b, b-c, a-y, a-a; so a leads to b in one step (v1), to itself (v2), and b in none to f
    assert facts["hops"].tolist() == [1, 1, 0, 0, 0, 0]


def test_two_steps_are_two(tiny_settings, write_dataset):
    name = write_dataset("Steps", {"w1": "abzz", "w2": "bczz", "w3": "xabac", "w4": "xacca"})
    facts = user_facts(prepare(Config("Pop", config_dict={**tiny_settings, "dataset": name})))
    # training steps: a-b, b-c, x-a, a-b, x-a, a-c (w4: x a c | c | a): from a to c in one, from c to a in none
    assert facts.loc["w3", "last_item"] == "a"
    assert facts["hops"].tolist() == [0, 0, 1, 0]
    longer = write_dataset("Longer", {"w1": "abzz", "w2": "bczz", "w3": "xabac"})
    facts = user_facts(prepare(Config("Pop", config_dict={**tiny_settings, "dataset": longer})))
    assert facts.loc["w3", "hops"] == 2  # a-b, b-c


def test_facts_are_those_of_recboles_split(config, sequences_in_rows):
    dataset = prepare(config).dataset
    facts = user_facts(dataset.prepared)
    sasrec = Config(
        "SASRec",
        config_dict={key: config[key] for key in ("dataset", "output_dir", "gpu_id")}
        | {"data_path": str(config["data_path"]).removesuffix("/Odd")},
    )
    data = prepare(sasrec).loaders
    items, users = item_tokens(dataset), user_tokens(dataset)
    rows = data.test.dataset.inter_feat
    assert sorted(users[user] for user in rows["user_id"].tolist()) == list(facts.index)
    trained = Counter(items[place + 1] for sequence in sequences_in_rows(data.train.dataset) for place in sequence)
    validated = Counter(items[item] for item in data.valid.dataset.inter_feat["item_id"].tolist())
    for row, user in enumerate(rows["user_id"].tolist()):
        own, length = facts.loc[users[user]], int(rows["item_length"][row])
        assert own["target"] == items[int(rows["item_id"][row])]
        assert own["last_item"] == items[int(rows["item_id_list"][row, length - 1])]
        assert own["history_length"] == length
        assert own["training_count"] == trained[own["target"]]
        assert own["validation_count"] == validated[own["target"]]


def test_slices_of_a_run(tiny_settings, write_dataset):
    settings = {**tiny_settings, "dataset": write_dataset("Odd", HISTORIES)}
    folder = run("Pop", overrides=settings, show=False).folder
    ranks = read_ranks(folder)
    slices = user_slices(facts_of_run(folder), ranks)
    assert list(slices["target"]) == ["known", "known", "known", "cold start", "cold start", "cold start"]
    assert list(slices["target's training events"])[:3] == ["1-5", "6-20", "unseen"]
    assert list(slices["target in the history"]) == ["seen before", "last item", *["new"] * 4]
    assert list(slices["history length"]) == ["1-3", "4-5", "4-5", "1-3", "4-5", "4-5"]
    sizes = ranks["pessimistic"] - ranks["optimistic"] + 1
    exact = [int(label) for label in slices["items of the target's score"][sizes <= 2]]
    assert exact == sizes[sizes <= 2].tolist()


def test_ranks_of_other_data_are_refused(tiny_settings, config):
    ranks = read_ranks(run("Pop", overrides=tiny_settings, show=False).folder)
    with pytest.raises(DataError, match="users of the ranks, such as 'u0', are not in the data"):
        user_slices(user_facts(prepare(config)), ranks)


def test_the_history_is_not_cut(tiny_settings):
    """Histories reach the models with MAX_ITEM_LIST_LENGTH items at most, 2 here."""
    folder = run("Pop", overrides={**tiny_settings, "MAX_ITEM_LIST_LENGTH": 2}, show=False).folder
    assert np.array_equal(facts_of_run(folder)["history_length"], [5, 5, 5, 4, 5, 4, 5, 4])
