"""`.inter` and `.item`: exact bytes, and what RecBole's own reader makes of them."""

import sys

import numpy as np
import pandas as pd
from recbole.config import Config
from recbole.data.dataset import Dataset

from calrec_recbole.data.atomic import read_atomic, write_inter, write_item

FIELDS = ["title", "category", "brand", "price"]
TITLES = [
    '"Leading quote',
    'In "the" middle',
    '"All of it"',
    "'single' and back\\slash\\",
    "🎸 Guitar — é 中文",
    "kept entity &lt; & ampersand",
    "x" * 10_000,
    "word " * 1_999 + "end",
    "",
    "#comment, comma; and : colon",
    "  ".strip() or "0007",
]


def read_by_recbole(data_path, monkeypatch):
    """The columns of the data set Tricky by RecBole's own reader, whose Config reads argv and sets CUDA's devices."""
    monkeypatch.setattr(sys, "argv", ["run"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", *FIELDS]}
    settings = {"data_path": str(data_path), "load_col": columns, "benchmark_filename": None}
    settings |= {"user_inter_num_interval": "[0,inf)", "item_inter_num_interval": "[0,inf)"}
    data = Dataset(Config(model="Pop", dataset="Tricky", config_dict=settings))
    texts = {field: data.id2token(field, data.item_feat[field].to_numpy(int)).tolist() for field in columns["item"]}
    users = data.id2token("user_id", data.inter_feat["user_id"].to_numpy(int)).tolist()
    return texts | {"user_id": users, "timestamp": data.inter_feat["timestamp"].tolist()}


def events():
    return pd.DataFrame(
        {
            "user_id": np.array([1, 0, 1], dtype=np.int32),
            "item_id": np.array([0, 1, 2], dtype=np.int32),
            "timestamp": [30.0, 20.5, 20.5],
            "rating": [5.0, 4.5, 1.0],
        }
    )


def test_inter_is_chronological_and_stable(tmp_path):
    write_inter(tmp_path / "x.inter", events(), ["u0", "u1"], ["a", "b", 'c"'])
    assert (tmp_path / "x.inter").read_text(encoding="utf-8") == (
        "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
        'u0\tb\t20.5\t4.5\nu1\t"c"""\t20.5\t1\nu1\ta\t30\t5\n'
    )


def test_rating_is_left_out_where_one_is_missing(tmp_path):
    write_inter(tmp_path / "x.inter", events().assign(rating=[5.0, None, 1.0]), ["u0", "u1"], ["a", "b", "c"])
    assert list(next(read_atomic(tmp_path / "x.inter"))) == ["user_id", "item_id", "timestamp"]


def test_texts_round_trip_through_csv(tmp_path):
    rows = [(f"i{n}", title, "", "", "$1.00") for n, title in enumerate(TITLES)]
    write_item(tmp_path / "x.item", FIELDS, rows)
    assert [row["title"] for row in read_atomic(tmp_path / "x.item")] == TITLES


def test_recbole_reads_every_text(tmp_path, monkeypatch):
    folder = tmp_path / "Tricky"
    folder.mkdir()
    ids = [f"{n:04d}" for n in range(len(TITLES))]
    rows = [(name, title, "", 'b "x"', "") for name, title in zip(ids, TITLES, strict=True)]
    write_item(folder / "Tricky.item", FIELDS, rows)
    count = len(TITLES)
    table = pd.DataFrame(
        {
            "user_id": np.zeros(count, dtype=np.int32),
            "item_id": np.arange(count, dtype=np.int32),
            "timestamp": np.arange(count, dtype=float),
        }
    )
    write_inter(folder / "Tricky.inter", table, ["007"], ids)
    found = read_by_recbole(tmp_path, monkeypatch)
    by_item = dict(zip(found["item_id"], found["title"], strict=True))
    assert by_item.pop("[PAD]", "[PAD]") == "[PAD]"
    assert by_item == {name: title or "[PAD]" for name, title in zip(ids, TITLES, strict=True)}
    assert set(found["brand"]) <= {'b "x"', "[PAD]"}
    assert found["user_id"] == ["007"] * count
    assert found["timestamp"] == list(range(count))
