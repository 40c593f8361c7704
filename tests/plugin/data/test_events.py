from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import item_tokens, user_tokens
from calrec_recbole.plugin.data.events import occurrence
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model


@given(items=st.lists(st.integers(0, 5), max_size=20))
def test_occurrence_counts_equal_items_to_the_left(items):
    expected = [items[:place].count(item) for place, item in enumerate(items)]
    assert occurrence(torch.tensor(items, dtype=torch.int64)).tolist() == expected


def training_part(tiny_dataset):
    """(user, item) of all events but each user's last two, read from the file."""
    lines = (tiny_dataset / "Tiny" / "Tiny.inter").read_text().splitlines()[1:]
    histories: dict[str, list[str]] = {}
    for line in lines:
        user, item, _ = line.split("\t")
        histories.setdefault(user, []).append(item)
    return Counter((user, item) for user, items in histories.items() for item in items[:-2])


def test_pop_sees_every_training_event_once_and_no_item_twice_a_batch(tiny_settings, tiny_dataset):
    config = Config("Pop", config_dict=tiny_settings)
    dataset = prepare(config).dataset
    train = dataset.prepared.loaders.train
    users, items = user_tokens(dataset), item_tokens(dataset)
    seen: Counter[tuple[str, str]] = Counter()
    batches = list(train)
    assert len(batches) == len(train)
    for batch in batches:
        assert len(set(batch["item_id"].tolist())) == len(batch)
        seen.update((users[user], items[item]) for user, item in zip(batch["user_id"], batch["item_id"], strict=True))
    assert seen == training_part(tiny_dataset)


def test_pop_counts_events(tiny_settings, tiny_dataset):
    config = Config("Pop", config_dict=tiny_settings)
    dataset = prepare(config).dataset
    train = dataset.prepared.loaders.train
    model = build_model(config, train.dataset)
    for batch in train:
        model.calculate_loss(batch)
    by_item = Counter(item for (_, item), n in training_part(tiny_dataset).items() for _ in range(n))
    assert {item: int(n) for item, n in zip(item_tokens(dataset), model.item_cnt[:, 0], strict=True) if n} == by_item


def test_a_general_model_learns_the_training_pairs_and_nothing_else(tiny_settings, tiny_dataset):
    prepared = prepare(Config("BPR", config_dict=tiny_settings))
    train, learnt = prepared.loaders.train, training_part(tiny_dataset)
    users, items = prepared.users, prepared.items
    named: Counter[tuple[str, str]] = Counter()
    for batch in train:
        for user, item, other in zip(batch["user_id"], batch["item_id"], batch["neg_item_id"], strict=True):
            named[users[user], items[item]] += 1
            assert (users[user], items[other]) not in learnt  # negatives are drawn from the other items
    assert named == learnt
    matrix = train.dataset.inter_matrix()
    assert {(users[row], items[column]) for row, column in zip(matrix.row, matrix.col, strict=True)} == set(learnt)
    assert {items[number]: n for number, n in train.dataset.item_counter.items()} == Counter(
        item for (_, item), n in learnt.items() for _ in range(n)
    )


def test_a_general_model_is_ranked_on_the_rows_of_the_sequential_ones(tiny_settings):
    parts = [prepare(Config(model, config_dict=tiny_settings)).loaders[1:] for model in ("BPR", "MultiVAE", "SASRec")]
    for valid_and_test in zip(*parts, strict=True):
        rows = [[(batch[0]["user_id"].tolist(), batch[3].tolist()) for batch in one] for one in valid_and_test]
        assert rows[0] == rows[1] == rows[2]
