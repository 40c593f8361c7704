import numpy as np

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import histories_of, split_by_user, training_sequences, user_sequences
from tests.conftest import TINY_HISTORIES


def test_the_newest_items_are_held_out(tiny_settings):
    dataset = prepare(Config("CALRec", config_dict=tiny_settings)).dataset
    tokens = dataset.field2id_token["item_id"]
    for held_out in (0, 1, 2):
        found = sorted("".join(tokens[sequence]) for sequence in user_sequences(dataset.prepared.events, held_out))
        assert found == sorted(history[: len(history) - held_out] for history in TINY_HISTORIES)


def test_users_with_fewer_than_two_items_left_are_dropped(tiny_settings):
    dataset = prepare(Config("CALRec", config_dict=tiny_settings)).dataset
    left = [history[:-4] for history in TINY_HISTORIES if len(history) - 4 > 1]
    assert len(user_sequences(dataset.prepared.events, held_out=4)) == len(left) < len(TINY_HISTORIES)


def test_what_leave_one_out_trains_on_is_all_but_the_newest_two(tiny_settings, sequences_in_rows):
    dataset = prepare(Config("CALRec", config_dict=tiny_settings)).dataset
    places = sorted((sequence - 1).tolist() for sequence in user_sequences(dataset.prepared.events, held_out=2))
    found = training_sequences(dataset.prepared.events)
    assert sorted(found) == places
    assert found == sequences_in_rows(dataset.prepared.loaders.train.dataset)


def test_events_of_mixed_users_keep_their_order():
    found = split_by_user(["b", "a", "b", "c", "a", "b"], np.array([1, 2, 3, 4, 5, 6]))
    assert [sequence.tolist() for sequence in found] == [[1, 3, 6], [2, 5]]


def test_histories_of_targets_are_all_items_before_them(tiny_settings):
    dataset = prepare(Config("CALRec", config_dict=tiny_settings)).dataset
    tokens = dataset.field2id_token["item_id"][1:]
    for part, left in (("validation", 2), ("test", 1)):
        found = sorted("".join(tokens[history]) for history in histories_of(dataset.prepared.events, part))
        assert found == sorted(history[:-left] for history in TINY_HISTORIES)
