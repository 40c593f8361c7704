"""Two tables become atomic files: rows by hand, bad rows named or dropped, ids and texts as they are."""

import json

import pandas as pd
import pytest

from calrec_recbole.data.atomic import read_atomic
from calrec_recbole.data.own.importing import Columns, import_tables
from calrec_recbole.data.own.table_files import TableFile
from calrec_recbole.errors import ConfigError, DataError

EVENTS = "who,what,when,stars\nann,007,2020-01-03,5\nbob,pen,2020-01-01,4\nann,pen,2020-01-02,3\nann,cap,2020-01-02,1\n"
ITEMS = "what,name,kind,maker,cost\npen,Red Pen,Writing,Bic,1.50\n007,Bond &amp; Co,,,\npen,other,,,\n007,again,,,\n"
TEXTS = {"title": "name", "category": "kind", "brand": "maker", "price": "cost"}


@pytest.fixture
def imported(tmp_path):
    def run(events=EVENTS, items=ITEMS, columns=None, **how):
        (tmp_path / "events.csv").write_text(events)
        (tmp_path / "items.csv").write_text(items)
        files = [TableFile(f"--{name}", tmp_path / f"{name[-6:]}.csv") for name in ("events", "items")]
        named = columns or Columns("who", "what", "when", attributes=TEXTS)
        summary = import_tables(*files, named, tmp_path / "out", "Shop", **how)
        folder = tmp_path / "out" / "Shop"
        rows = {kind: list(read_atomic(folder / f"Shop.{kind}")) for kind in ("inter", "item")}
        return rows["inter"], rows["item"], summary

    return run


def test_rows_by_hand(imported):
    events, items, summary = imported()
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in events] == [
        ("bob", "pen", "1577836800"),
        ("ann", "pen", "1577923200"),
        ("ann", "cap", "1577923200"),  # at one time: as in the file
        ("ann", "007", "1578009600"),
    ]
    assert [list(row.values()) for row in items] == [
        ["pen", "Red Pen", "Writing", "Bic", "1.50"],
        ["cap", "", "", "", ""],
        ["007", "Bond & Co", "", "", ""],
    ]
    assert summary["counts"] == {"raw_events": 4, "users": 2, "items": 3, "events": 4, "items_without_row": 1}
    assert summary["missing"] == {"title": 1, "category": 2, "brand": 2, "price": 2}
    assert summary["span"] == ["2020-01-01 00:00:00+00:00", "2020-01-03 00:00:00+00:00"]
    assert sorted(summary["files"]) == ["Shop.inter", "Shop.item"]


def test_ratings_and_short_users(imported):
    events, items, summary = imported(
        columns=Columns("who", "what", "when", "stars", attributes=TEXTS), min_user_events=2
    )
    assert [(row["user_id"], row["rating"]) for row in events] == [("ann", "3"), ("ann", "1"), ("ann", "5")]
    assert (summary["counts"]["raw_events"], summary["counts"]["users"]) == (4, 1)
    assert [row["item_id"] for row in items] == ["pen", "cap", "007"]


BAD = EVENTS + "ann,,2020-01-04,1\n,pen,2020-01-04,1\nann,pen,soon,1\ncid,pen,,1\nann,pen\n"


def test_bad_rows_are_named(imported):
    with pytest.raises(DataError) as error:
        imported(BAD, ITEMS + ",x,,,\n")
    message = str(error.value)
    assert "--interactions" not in message  # the name of the option that the file was given by
    assert "events.csv: 5 rows cannot be used: other than 4 cells (row 9), who is no id (row 6), " in message
    assert "what is no id (row 5), when is no time (rows 7, 8); " in message
    assert message.endswith("items.csv: 1 row cannot be used: what is no id (row 5); or add --bad_rows=drop")


def test_bad_rows_are_dropped_and_counted(imported):
    events, _, summary = imported(BAD, bad_rows="drop")
    assert len(events) == 4
    ((file, reasons),) = summary["bad_rows"].items()
    assert file.endswith("events.csv")
    assert reasons == {"other than 4 cells": 1, "who is no id": 1, "what is no id": 1, "when is no time": 2}


def test_many_bad_rows_are_counted_and_the_first_named(imported):
    with pytest.raises(
        DataError, match=r"7 rows cannot be used: who is no id \(7 rows: 5, 6, 7, 8, 9, ...\); or add --bad"
    ):
        imported(EVENTS + ",pen,2020-01-04,1\n" * 7)


def test_the_items_may_call_their_id_otherwise_and_name_no_attribute(imported, tmp_path):
    own = ITEMS.replace("what,name,kind", "sku,title,category")
    _, items, _ = imported(items=own, columns=Columns("who", "what", "when", item_key="sku"))
    assert items[0] == {"item_id": "pen", "title": "Red Pen", "category": "Writing", "brand": "", "price": ""}
    with pytest.raises(ConfigError, match=r"^--items_item=skt is no column of .*; did you mean 'sku'"):
        imported(items=own, columns=Columns("who", "what", "when", item_key="skt"))
    with pytest.raises(
        ConfigError, match="none of its columns is named by --title, --category, --brand or --price; its"
    ):
        imported(columns=Columns("who", "what", "when"))


def test_typed_tables_keep_ids_and_digits(tmp_path):
    when = pd.to_datetime(["2020-01-01", "2020-01-02", None])
    pd.DataFrame({"u": [1, 2, 3], "i": [10.0, 11.0, 10.0], "t": when}).to_parquet(tmp_path / "e.parquet")
    items = [{"i": 10, "title": 1984, "category": ["A", "B"], "price": 3.5}, {"i": 11, "title": None, "price": 2.0}]
    (tmp_path / "i.jsonl").write_text("".join(json.dumps(one) + "\n" for one in items))
    files = TableFile("--interactions", tmp_path / "e.parquet"), TableFile("--items", tmp_path / "i.jsonl")
    summary = import_tables(*files, Columns("u", "i", "t"), tmp_path, "Shop", bad_rows="drop")
    assert summary["counts"]["events"] == 2
    rows = list(read_atomic(tmp_path / "Shop" / "Shop.item"))
    assert [list(row.values()) for row in rows] == [["10", "1984", "A B", "", "3.5"], ["11", "", "", "", "2"]]


def test_without_items_and_without_events(imported, tmp_path):
    (tmp_path / "e.csv").write_text("u,i,t\na,x,1\n")
    file = TableFile("--interactions", tmp_path / "e.csv")
    summary = import_tables(file, None, Columns("u", "i", "t"), tmp_path, "Shop")
    assert summary["missing"]["title"] == summary["counts"]["items_without_row"] == 1
    assert summary["span"] == ["1", "1"]
    with pytest.raises(
        DataError, match=r"nothing is left of --interactions=.*e.csv: 1 events with --min_user_events=2"
    ):
        import_tables(file, None, Columns("u", "i", "t"), tmp_path, "Shop", min_user_events=2)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"bad_rows": "keep"}, "--bad_rows=keep must be one of error, drop"),
        ({"min_user_events": 0}, "--min_user_events=0 must be at least 1"),
    ],
)
def test_settings_are_checked(imported, how, message):
    with pytest.raises(ConfigError, match=message):
        imported(**how)


def test_a_folder_that_is_not_ours_stays(imported, tmp_path):
    (tmp_path / "out" / "Shop").mkdir(parents=True)
    with pytest.raises(DataError, match="was not made by `calrec"):
        imported()
