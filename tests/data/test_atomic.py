"""`.inter` and `.item`: exact bytes, and what RecBole itself reads."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd

from calrec_recbole.data.atomic import read_atomic, write_inter, write_item

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

RECBOLE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
for old, new in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_), ("bool8", np.bool_)):
    setattr(np, old, new) if old not in np.__dict__ else None
from recbole.config import Config
from recbole.data.dataset import Dataset
fields = ["title", "category", "brand", "price"]
config = Config(model="Pop", dataset="Tricky", config_dict={
    "data_path": sys.argv[1], "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", *fields]},
    "user_inter_num_interval": "[0,inf)", "item_inter_num_interval": "[0,inf)"})
data = Dataset(config)
items = data.id2token("item_id", data.item_feat["item_id"].to_numpy(int))
texts = {f: data.id2token(f, data.item_feat[f].to_numpy(int)).tolist() for f in fields}
users = data.id2token("user_id", data.inter_feat["user_id"].to_numpy(int)).tolist()
times = data.inter_feat["timestamp"].tolist()
print("RESULT" + json.dumps({"items": items.tolist(), "texts": texts, "users": users, "times": times}))
"""


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
    write_item(tmp_path / "x.item", ["title", "category", "brand", "price"], rows)
    assert [row["title"] for row in read_atomic(tmp_path / "x.item")] == TITLES


def test_recbole_reads_every_text(tmp_path):
    folder = tmp_path / "Tricky"
    folder.mkdir()
    ids = [f"{n:04d}" for n in range(len(TITLES))]
    rows = [(name, title, "", 'b "x"', "") for name, title in zip(ids, TITLES, strict=True)]
    write_item(folder / "Tricky.item", ["title", "category", "brand", "price"], rows)
    count = len(TITLES)
    table = pd.DataFrame(
        {
            "user_id": np.zeros(count, dtype=np.int32),
            "item_id": np.arange(count, dtype=np.int32),
            "timestamp": np.arange(count, dtype=float),
        }
    )
    write_inter(folder / "Tricky.inter", table, ["007"], ids)
    command = [sys.executable, "-c", RECBOLE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.rpartition("RESULT")[2])
    by_item = dict(zip(found["items"], found["texts"]["title"], strict=True))
    assert by_item.pop("[PAD]", "[PAD]") == "[PAD]"
    assert by_item == {name: title or "[PAD]" for name, title in zip(ids, TITLES, strict=True)}
    assert set(found["texts"]["brand"]) <= {'b "x"', "[PAD]"}
    assert found["users"] == ["007"] * count
    assert found["times"] == list(range(count))
