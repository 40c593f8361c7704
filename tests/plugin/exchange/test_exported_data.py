"""Against the files that the data set was made of."""

import json

import pandas as pd
import pytest

from calrec_recbole.cli.calrec import main
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.exchange.exported_data import export
from tests.conftest import TINY_HISTORIES, TINY_ITEMS

READ = {"jsonl": lambda file: pd.read_json(file, lines=True), "parquet": pd.read_parquet}


@pytest.fixture(params=["jsonl", "parquet"])
def exported(request, tmp_path, tiny_dataset):
    """The tables by name."""
    given = ["--dataset=Tiny", f"--data_path={tiny_dataset}", f"--out={tmp_path / 'out'}", f"--format={request.param}"]
    assert main(["export", *given]) == 0
    return {
        name: READ[request.param](tmp_path / "out" / f"{name}.{request.param}")
        for name in ("items", "events", "valid", "test")
    }


def test_each_event_has_its_part(exported):
    events = exported["events"].sort_values("timestamp")
    for user, own in events.groupby("user_id"):
        history = TINY_HISTORIES[int(user[1:])]
        assert "".join(own["item_id"]) == history
        assert own["part"].tolist() == ["training"] * (len(history) - 2) + ["validation", "test"]
    assert len(events) == sum(map(len, TINY_HISTORIES))


def test_targets_stand_behind_their_histories(exported):
    for name, held_out in (("valid", 2), ("test", 1)):
        rows = exported[name].set_index("user_id")
        assert len(rows) == len(TINY_HISTORIES)
        for number, history in enumerate(TINY_HISTORIES):
            row = rows.loc[f"u{number}"]
            assert (list(row["history"]), row["target"]) == (list(history[:-held_out]), history[-held_out])


def test_items_have_their_text_and_the_columns_behind_it(exported):
    items = exported["items"].set_index("item_id")
    assert set(items.index) == set("abcdefgh")
    for item, title, category, brand, price in TINY_ITEMS:
        row = items.loc[item]
        assert [row[name] for name in ("title", "category", "brand", "price")] == [title, category, brand, price]
        assert title in row["text"]


def test_the_order_is_that_of_a_matrix_of_scores(exported, tiny_settings):
    prepared = prepare(Config("SASRec", config_dict=tiny_settings))
    assert exported["items"]["item_id"].tolist() == prepared.items[1:]
    users = [user for batch in prepared.loaders.test for user in batch[0]["user_id"].tolist()]
    assert exported["test"]["user_id"].tolist() == [prepared.users[user] for user in users]


def test_a_split_by_time_is_exported_as_it_is(tmp_path, tiny_settings):
    prepared = prepare(Config("Pop", config_dict={**tiny_settings, "split": "global_time"}))
    export(prepared, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "data.json").read_text())
    assert about["split"] == "global_time [0.8, 0.1, 0.1]"
    assert about["rows"]["test"] == len(prepared.splits[2])
    rows = READ["jsonl"](tmp_path / "out" / "test.jsonl")
    for user, history, target in rows.itertuples(index=False):
        whole = TINY_HISTORIES[int(user[1:])]
        assert whole[len(history)] == target
        assert "".join(history) == whole[: len(history)]


def test_without_items_there_are_ids_alone(tmp_path, tiny_settings, tiny_dataset):
    (tiny_dataset / "Tiny" / "Tiny.item").unlink()
    export(prepare(Config("Pop", config_dict=tiny_settings)), tmp_path / "out")
    assert list(READ["jsonl"](tmp_path / "out" / "items.jsonl")) == ["item_id"]


def test_another_format_is_refused(tmp_path, tiny_settings):
    with pytest.raises(ConfigError, match="--format=xml must be one of jsonl, parquet"):
        export(prepare(Config("Pop", config_dict=tiny_settings)), tmp_path / "out", "xml")
