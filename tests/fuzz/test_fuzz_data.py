"""Raw and atomic files of any kind: what is read stands in them, or one line."""

import contextlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.data import missing_dataset_message
from calrec_recbole.data.pipeline import PrepareSettings, prepare
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare as prepared_of
from tests.fuzz.fuzz_inputs import as_json, changed, damaged, fuzzed

REVIEWS = [
    {
        "reviewerID": f"U{user}",
        "asin": f"I{(user + place) % 7}",
        "unixReviewTime": 1_500_000_000 + place,
        "overall": 5.0,
    }
    for user in range(4)
    for place in range(6)
]
METADATA = [
    {"asin": f"I{item}", "title": f"Red pen {item}", "brand": "Acme", "category": ["Office", "Pens"], "price": "$3.00"}
    for item in range(7)
]


def lines(records):
    return b"\n".join(map(as_json, records)) + b"\n"


def settings(folder):
    return {"data_path": str(folder), "show_progress": False, "gpu_id": ""}


@given(data=st.data())
@fuzzed(3)
def test_raw_files_become_what_they_say_or_nothing(data, may_refuse):
    raw = data.draw(changed(REVIEWS).map(_records).map(lines) | damaged(lines(REVIEWS)))
    meta = data.draw(changed(METADATA).map(_records).map(lines) | damaged(lines(METADATA)))
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stderr(io.StringIO()), may_refuse():
        reviews, metadata = Path(place) / "r.json", Path(place) / "m.json"
        reviews.write_bytes(raw)
        metadata.write_bytes(meta)
        summary = prepare(reviews, metadata, Path(place) / "out", PrepareSettings("A"))
        rows = (Path(place) / "out" / "A" / "A.inter").read_text(encoding="utf-8").splitlines()[1:]
        assert len(rows) == summary["counts"]["events"]
        said = _events_in(raw)
        assert all(tuple(row.split("\t")[:2]) in said for row in rows)
        users = [row.split("\t")[0] for row in rows]
        assert all(users.count(user) >= 5 for user in set(users))
        loaders = prepared_of(Config("Pop", "A", config_dict=settings(Path(place) / "out"))).loaders
        assert len(loaders.test.dataset) == len(set(users))


def _records(value):
    return value if isinstance(value, list) else [value]


def _events_in(raw):
    """(user, item) of each line that the json module reads as an object, ids as texts."""
    found = set()
    for line in raw.split(b"\n"):
        try:
            record = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            found.add((str(record.get("reviewerID")), str(record.get("asin"))))
    return found


@pytest.fixture
def tiny(tiny_dataset):
    return tiny_dataset


@pytest.mark.parametrize("kind", ["inter", "item"])
@given(data=st.data())
@fuzzed(2)
def test_atomic_files_are_read_as_they_stand_or_refused(kind, data, tiny, may_refuse, tmp_path):
    folder = tmp_path / "changed" / "Tiny"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tiny / "Tiny", folder)
    file = folder / f"Tiny.{kind}"
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    with may_refuse():
        prepared = prepared_of(Config("LIR", "Tiny", config_dict=settings(folder.parent)))
        loaders = prepared.loaders
        text = (folder / "Tiny.inter").read_text(encoding="utf-8", errors="replace")
        assert all(user in text for user in prepared.users[1:])
        assert all(item in text for item in prepared.items[1:])
        assert len(prepared.catalogue.texts) == len(prepared.items) - 1
        assert len(loaders.test.dataset) <= len(prepared.users) - 1


@given(st.text(max_size=30))
@fuzzed(2)
def test_a_data_set_of_any_name_is_found_or_refused(name):
    told = ""
    try:
        told = missing_dataset_message(name, Path("nowhere"))
    except CalrecError as problem:
        told = str(problem)
    assert "\n" not in told.replace(name, "")
