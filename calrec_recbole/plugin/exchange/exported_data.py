"""A prepared data set in files that any framework reads: items, events with their part, and whom to rank."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.durable_files import replacing_file, write_json
from calrec_recbole.errors import must_be_one_of
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.sequences import histories_of
from calrec_recbole.plugin.data.split import PARTS

__all__ = ["FORMATS", "export"]

FORMATS = ("jsonl", "parquet")


def export(prepared: Prepared, out: Path, kind: str = "jsonl") -> list[Path]:
    """Writes ``items``, ``events``, ``valid`` and ``test`` into ``out`` -> their paths, with data.json as the last.

    - items: ``item_id``, its ``text`` and the columns behind it, in the order of the columns of a matrix of scores.
    - events: ``user_id, item_id, timestamp`` (seconds), ``part`` (training, validation, test, unused), oldest first.
    - valid, test: ``user_id``, ``history`` (all item ids before the target, oldest first), ``target``, in the order of
      the rows of a matrix of scores.

    What may be learnt from is the training part alone. Raises ``ConfigError`` for another ``kind``.
    """
    must_be_one_of("--format", kind, FORMATS)
    out.mkdir(parents=True, exist_ok=True)
    tables = {"items": _items(prepared), "events": _events(prepared)}
    tables |= {name: _targets(prepared, number) for number, name in ((1, "valid"), (2, "test"))}
    written = [_written(table, out / f"{name}.{kind}") for name, table in tables.items()]
    about = {
        "dataset": prepared.name,
        "split": str(prepared.split),
        "data_sha256": prepared.hashes,
        "rows": {name: len(table) for name, table in tables.items()},
    }
    write_json(out / "data.json", about)
    return [*written, out / "data.json"]


def _items(prepared: Prepared) -> pd.DataFrame:
    columns: dict[str, Any] = {"item_id": prepared.items[1:]}
    if not prepared.item_problem:
        columns["text"] = prepared.catalogue.texts
        fields = [attribute.field for attribute in prepared.template]
        rows = prepared.attributes(fields)
        columns |= {f"{field}": [row.get(field, "") for row in rows] for field in fields}
    return pd.DataFrame(columns)


def _events(prepared: Prepared) -> pd.DataFrame:
    events = prepared.events
    users, items = np.array(prepared.users, dtype=object), np.array(prepared.items, dtype=object)
    return pd.DataFrame(
        {
            "user_id": users[events.users],
            "item_id": items[events.items],
            "timestamp": events.times,
            "part": events.parts,
        }
    )


def _targets(prepared: Prepared, number: int) -> pd.DataFrame:
    """The rows of a part in RecBole's order; a user has one."""
    events, part = prepared.events, PARTS[number]
    targets = np.flatnonzero(events.parts == part)
    history_of = dict(zip(events.users[targets].tolist(), histories_of(events, part), strict=True))
    split = prepared.splits[number]
    users, items = (split.inter_feat[field].tolist() for field in (split.uid_field, split.iid_field))
    return pd.DataFrame(
        {
            "user_id": [prepared.users[user] for user in users],
            "history": [_named(prepared, history_of[user]) for user in users],
            "target": [prepared.items[item] for item in items],
        }
    )


def _named(prepared: Prepared, places: Iterable[int]) -> list[str]:
    return [prepared.items[place + 1] for place in places]


def _written(table: pd.DataFrame, file: Path) -> Path:
    with replacing_file(file) as temporary:
        if file.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_json(temporary, orient="records", lines=True, force_ascii=False)
    return file
