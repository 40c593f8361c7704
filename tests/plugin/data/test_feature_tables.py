"""RecBole's tables: against RecBole's own reader on plain data, and by hand where that one makes data up."""

import numpy as np
import pandas as pd
import pytest
from recbole.data.dataset import SequentialDataset

from calrec_recbole.data.atomic import AtomicSettings, read_item_rows
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.feature_tables import feature_table, item_table
from calrec_recbole.plugin.data.prepared import prepare

PROPERTIES = ("field2type", "field2source", "field2seqlen", "field2bucketnum")


def test_fields_and_ids_are_those_of_recboles_reader(tiny_settings, tiny_dataset):
    """On ml-100k, whose columns have all types, with features of users and items."""
    columns = {"inter": ["user_id", "item_id", "rating", "timestamp"], "item": "*", "user": "*"}
    asked = {**tiny_settings, "dataset": "ml-100k", "load_col": columns, "seq_len": {"movie_title": 3}}
    config = Config("SASRec", config_dict=asked)
    ours, theirs = prepare(config).dataset, SequentialDataset(config)
    for name in PROPERTIES:
        assert getattr(ours, name) == getattr(theirs, name)
    for field, names in theirs.field2id_token.items():
        assert sorted(map(str, ours.field2id_token[field])) == sorted(map(str, names))
    assert titles(ours) == titles(theirs)
    assert len(titles(ours)) > 1000


def titles(dataset):
    found = zip(dataset.item_feat["item_id"], dataset.item_feat["movie_title"], strict=True)
    return {dataset.id2token("item_id", item): tuple(dataset.id2token("movie_title", words)) for item, words in found}


def table_of(tmp_path, text, of_events=True, **settings):
    file = tmp_path / "x.inter"
    file.write_text(text, encoding="utf-8")
    return feature_table(file, AtomicSettings(**settings), lambda name: True, of_events)


HEAD = "user_id:token\titem_id:token\ttimestamp:float\trating:float\tpage:token\n"


def test_words_for_nothing_are_ids_and_texts(tmp_path):
    frame = table_of(tmp_path, HEAD + "NA\tNone\t1\t5\tnull\nnull\tnan\t2\t4\t\n").frame
    assert frame["user_id"].tolist() == ["NA", "null"]
    assert frame["item_id"].tolist() == ["None", "nan"]
    assert frame["page"][0] == "null"
    assert pd.isna(frame["page"][1])


def test_rows_that_would_be_made_up_are_named_or_dropped(tmp_path):
    bad = [
        "u\ti\t\t5\tp",
        "u\ti\tinf\t5\tp",
        "u\ti\tnan\t5\tp",
        "\ti\t3\t5\tp",
        "u\t \t3\t5\tp",
        "u\ti\t3\t\tp",
        "u\ti",
    ]
    text = HEAD + "u\ti\t1\t5\tp\n" + "\n".join(bad) + "\nu\tj\t2\t4\tp\n"
    message = (
        "line 3: timestamp is empty; lines 4, 5: timestamp is no finite number or ISO date; line 6: user_id is empty; "
        "line 7: item_id is empty; line 8: rating is empty; line 9: 2 fields, expected 5: mend"
    )
    with pytest.raises(DataError, match=message):
        table_of(tmp_path, text)
    table = table_of(tmp_path, text, bad_rows="drop")
    assert (table.frame["item_id"].tolist(), table.dropped) == (["i", "j"], 7)
    assert table.notes[0].startswith("x.inter: 7 rows dropped by bad_rows=drop: line 3: timestamp is empty;")


def test_dates_and_times_of_any_declared_type_are_seconds(tmp_path):
    text = "user_id:token\titem_id:token\ttimestamp:token\nu\ti\t9\nu\tj\t10\nu\tk\t1970-01-02\n"
    assert table_of(tmp_path, text).frame["timestamp"].tolist() == [9, 10, 86_400]


def test_numbers_of_users_may_be_missing(tmp_path):
    frame = table_of(tmp_path, "user_id:token\tage:float\tw:float_seq\nu\tnan\t1 2.5\nv\t7\t\n", of_events=False).frame
    assert np.isnan(frame["age"][0])
    assert frame["age"][1] == 7
    assert [cell.tolist() for cell in frame["w"]] == [[1, 2.5], []]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"USER_ID_FIELD": "reviewer"}, "USER_ID_FIELD='reviewer' is not a column"),
        ({"ITEM_ID_FIELD": "business_id"}, "ITEM_ID_FIELD='business_id' is not a column"),
        ({"TIME_FIELD": "date"}, "TIME_FIELD='date' is not a column"),
    ],
)
def test_missing_fields_are_named(settings, message, tmp_path):
    with pytest.raises(DataError, match=message):
        table_of(tmp_path, HEAD, **settings)


def test_items(tmp_path):
    file = tmp_path / "x.item"
    file.write_text("item_id:token\tprice:float\tclass:token_seq\na\tnan\tSci Fi|Drama\nb\t2.5\t\nb\t3\tx\n")
    settings = AtomicSettings(seq_separator="|")
    table = item_table(read_item_rows(file, settings), settings, lambda name: True)
    assert np.isnan(table.frame["price"][0])
    assert table.frame["price"][1] == 2.5
    assert [cell.tolist() for cell in table.frame["class"]] == [["Sci Fi", "Drama"], []]
    assert table.longest("class") == 2
    file.write_text("item_id:token\tprice:float\na\tfree\n")
    with pytest.raises(
        DataError, match=r"x.item item 'a': price is no finite number: mend it, or leave it out of load"
    ):
        item_table(read_item_rows(file, AtomicSettings()), AtomicSettings(), lambda name: True)
