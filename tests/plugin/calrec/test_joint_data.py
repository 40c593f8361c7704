"""Stage I reads several data sets and nothing that a later stage validates or tests on."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.calrec.core_settings import StageSettings
from calrec_recbole.plugin.calrec.joint_data import _without, read_categories, record
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.setting_groups import settings_of
from tests.conftest import TINY_HISTORIES

FILMS = {"v0": "mnopq", "v1": "qponm", "v2": "mopn"}
BOOKS = {"w0": "rstu", "w1": "utsr"}


@pytest.fixture
def joint(tiny_settings, write_dataset):
    """The data set and the stage of a run of stage I on Tiny, Films and Books."""
    write_dataset("Films", FILMS)
    write_dataset("Books", BOOKS)

    def config(**change):
        given = {**tiny_settings, "train_stage": "joint", "joint_datasets": ["Films", "Books"], **change}
        found = Config("CALRec", config_dict={key: value for key, value in given.items() if key != "epochs"})
        return Prepared(found), settings_of(StageSettings, found)

    return config


def histories(category):
    ids = category.catalogue.item_ids
    return sorted("".join(ids[place] for place in sequence) for sequence in category.sequences)


def test_every_role_holds_out_what_the_paper_says(joint):
    own, films, books = read_categories(*joint(selection_dataset="Films"))
    assert [own.name, films.name, books.name] == ["Tiny", "Films", "Books"]
    assert histories(own) == sorted(history[:-2] for history in TINY_HISTORIES)  # evaluated: n - 2 items
    assert histories(films) == sorted(history[:-1] for history in FILMS.values())  # for selection: n - 1
    assert histories(books) == sorted(BOOKS.values())  # for stage I only: all of them
    assert [own.held_out, films.held_out, books.held_out] == [2, 1, 0]


def test_another_target_holds_out_two_also_when_it_selects(joint):
    films = read_categories(*joint(joint_targets=["Films"], selection_dataset="Films"))[1]
    assert histories(films) == sorted(history[:-2] for history in FILMS.values())


def test_an_event_that_is_held_out_elsewhere_is_removed(joint, write_dataset):
    """u0 of Tiny ends with e (validation) and f (test); the same user's purchases of them stand in More too."""
    write_dataset("More", {"u0": "xeyf", "u1": "ef", "v9": "exf"})
    own, _, _, more = read_categories(*joint(joint_datasets=["Films", "Books", "More"]))
    held = TINY_HISTORIES[1][-2:]
    assert TINY_HISTORIES[0] == "abcdef"
    assert set("ef").isdisjoint(held)  # u1's own held-out items are others
    assert histories(more) == sorted(["xy", "ef", "exf"])
    assert (own.removed, more.removed) == (0, 2)


def test_a_repeat_within_the_own_history_stays(joint, write_dataset):
    write_dataset("Again", {"x0": "abcab"})
    again = read_categories(*joint(joint_datasets=["Again"], joint_targets=["Again"]))[1]
    assert histories(again) == ["abc"]


@given(st.data())
def test_no_held_out_event_of_a_target_is_ever_trained_on(data):
    """On random categories that share users and items: pairs of the cut events against pairs of what remains."""
    pairs = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abc")), max_size=12)
    kept, hidden = (pd.DataFrame(data.draw(pairs), columns=["user", "item"]) for _ in range(2))
    left, removed = _without(kept, hidden)
    forbidden = set(zip(hidden["user"], hidden["item"], strict=True))
    expected = [pair for pair in zip(kept["user"], kept["item"], strict=True) if pair not in forbidden]
    assert list(zip(left["user"], left["item"], strict=True)) == expected
    assert removed == len(kept) - len(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joint_datasets": []}, r"joint_datasets=\[\] must list data sets beside Tiny"),
        ({"joint_datasets": ["Tiny"]}, "must list data sets beside Tiny itself"),
        ({"joint_datasets": "Films"}, "joint_datasets='Films' must be a list"),
        ({"joint_datasets": ["Films", "Films"]}, "each once"),
        ({"joint_targets": ["Flims"]}, "Flims is not one of joint_datasets=.*did you mean 'Films'"),
        ({"selection_dataset": "Songs"}, "selection_dataset='Songs': Songs is not one of"),
    ],
)
def test_names_that_do_not_fit_are_refused(joint, change, message):
    with pytest.raises(ConfigError, match=message):
        read_categories(*joint(**change))


def test_the_same_events_under_two_names_are_refused(joint, write_dataset, tiny_dataset):
    write_dataset("Twin", {"v0": "ab"})
    for kind in ("inter", "item"):
        (tiny_dataset / "Twin" / f"Twin.{kind}").write_bytes((tiny_dataset / "Tiny" / f"Tiny.{kind}").read_bytes())
    with pytest.raises(ConfigError, match="joint_datasets: Tiny and Twin hold the same events"):
        read_categories(*joint(joint_datasets=["Twin"]))


def test_missing_and_empty_data_sets_are_named(joint, write_dataset):
    with pytest.raises(DataError, match="Nowhere"):
        read_categories(*joint(joint_datasets=["Nowhere"]))
    write_dataset("Short", {"v0": "abc", "v1": "b"})
    with pytest.raises(DataError, match="joint_datasets: Short has no user with two events"):
        read_categories(*joint(joint_datasets=["Short"], joint_targets=["Short"]))


def test_the_record_keeps_the_least_that_was_ever_held_out(joint):
    categories = read_categories(*joint(joint_targets=["Films"]))
    seen = record(categories, [0.5, 0.3, 0.2], {"Films": {"held_out": 0}, "Songs": {"held_out": 1}})
    assert {name: entry["held_out"] for name, entry in seen.items()} == {"Films": 0, "Songs": 1, "Tiny": 2, "Books": 0}
    assert (seen["Books"]["users"], seen["Books"]["items"], seen["Books"]["share"]) == (2, 4, 0.2)
