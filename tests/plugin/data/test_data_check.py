"""The facts of Tiny and of damaged copies, counted by hand."""

import json

import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_check import checked
from calrec_recbole.plugin.data.prepared import prepare


def facts_of(settings, **more):
    prepared = prepare(Config("CALRec", config_dict={**settings, **more}))
    return {section: dict(rows) for section, rows in checked(prepared).items()}, prepared.notes


@pytest.fixture
def calrec_data(tiny_settings):
    return {key: tiny_settings[key] for key in ("dataset", "data_path", "gpu_id")}


def test_events_and_split(calrec_data):
    found, _ = facts_of(calrec_data)
    events, split = found["Events"], found["Split"]
    assert (events["events"], events["users"], events["items with an event"]) == ("45", "8", "8")
    assert events["events a user"] == "5.62 (median 6, 5 to 6)"  # 6, 6, 6, 5, 6, 5, 6, 5
    assert events["times"] == "2017-07-14 to 2017-07-14 (in s)"
    assert events["events that repeat the one before"] == "0 (0.0%)"
    assert (split["validation users"], split["test users"], split["training events"]) == ("8", "8", "29")
    assert split["users that are not tested"] == "0 (0.0%)"
    assert split["test targets that no training row holds"] == "0 (0.0%)"


def test_texts(calrec_data):
    texts = facts_of(calrec_data)[0]["Texts"]
    assert texts["items without a row"] == "1 (12.5%)"  # g
    assert texts["items without brand"] == "2 (25.0%)"  # e, g
    assert texts["items without price"] == "2 (25.0%)"  # d, g
    assert texts["distinct texts"] == "7"
    assert texts["items that share their text"] == "2 (25.0%)"  # b, h
    assert texts["largest group of one text"] == "2"
    assert texts["test targets that share their text"] == "2 (25.0%)"  # of f g d h c b a g


def test_what_cannot_be_used_is_counted(calrec_data, tiny_dataset):
    folder = tiny_dataset / "Tiny"
    with (folder / "Tiny.inter").open("a") as file:
        file.write("u0\ta\tsoon\nu0\n")
    with (folder / "Tiny.item").open("a") as file:
        file.write("x\ny\na\tAgain\t\t\t\n")
    (folder / "Tiny.prepare.json").write_text(
        json.dumps({"files": {f"Tiny.{kind}": {"sha256": ""} for kind in ("inter", "item")}})
    )
    found, notes = facts_of(calrec_data, bad_rows="drop")
    assert found["Files"]["rows that cannot be used"] == "2 (see below)"
    assert found["Files"]["since `calrec prepare`"] == "edited: Tiny.inter, Tiny.item"
    assert found["Texts"]["rows of .item that cannot be used"] == "2"
    assert found["Texts"]["rows that repeat an item"] == "1"
    assert any("line 47: timestamp is no finite number" in note for note in notes)
    with pytest.raises(DataError, match="line 47"):
        facts_of(calrec_data)


def test_a_data_set_without_texts_has_the_rest(calrec_data, tiny_dataset):
    (tiny_dataset / "Tiny" / "Tiny.item").unlink()
    found, _ = facts_of(calrec_data)
    assert found["Events"]["events"] == "45"
    assert list(found["Texts"]) == ["none"]
    assert found["Files"]["since `calrec prepare`"] == "not made by it"


@pytest.mark.parametrize(
    ("factor", "span"),
    [(1000, "(in ms)"), (10**6, "(in us)"), (10**9, "(in ns)"), (1e-6, "no unit in which they are dates")],
)
def test_the_unit_of_times(calrec_data, tiny_dataset, factor, span):
    file = tiny_dataset / "Tiny" / "Tiny.inter"
    head, *lines = file.read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    file.write_text("\n".join([head, *(f"{user}\t{item}\t{int(time) * factor}" for user, item, time in rows)]) + "\n")
    assert span in facts_of(calrec_data)[0]["Events"]["times"]
