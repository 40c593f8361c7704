"""Raw files -> prepared folder: counts by hand, settings, kills, and the paper's Table 1 on real data."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

from calrec_recbole.data import PrepareSettings, known_categories, prepare
from calrec_recbole.data.atomic import read_atomic
from calrec_recbole.data.dataset_statistics import statistics
from calrec_recbole.data.locate import find_metadata, find_reviews
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.paper import paper_statistics


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def review(user, item, time, **more):
    return {"reviewerID": user, "asin": item, "unixReviewTime": time, **more}


@pytest.fixture
def raw(tmp_path):
    """u has 6 events, one a repeat; v has 5, one a repeat, so 4 remain; w has 5 of which two share a time."""
    events = [review("u", item, 10 * n) for n, item in enumerate("abbcd")] + [review("u", "a", 100)]
    events[2]["unixReviewTime"] = events[1]["unixReviewTime"]
    events += [review("v", item, n) for n, item in enumerate("aabz")] + [review("v", "z", 3)]
    events += [review("w", item, time) for item, time in (("d", 5), ("c", 5), ("b", 5), ("a", 6), ("e", 1))]
    meta = [{"asin": "a", "title": "T", "category": ["Root", "Leaf"], "price": "$1"}, {"asin": "z", "title": "Z"}]
    return write(tmp_path / "r.json", events), write(tmp_path / "m.json", meta)


def test_counts_rows_and_texts_by_hand(raw, tmp_path):
    summary = prepare(*raw, tmp_path / "out", PrepareSettings("Tiny", root="Root"))
    folder = tmp_path / "out" / "Tiny"
    assert sorted(path.name for path in folder.iterdir()) == ["Tiny.inter", "Tiny.item", "Tiny.prepare.json"]
    assert summary["counts"] == {
        "raw_users": 3,
        "raw_items": 6,
        "raw_events": 16,
        "duplicates_dropped": 2,
        "short_users_dropped": 1,
        "users_not_sampled": 0,
        "users": 2,
        "items": 5,
        "events": 10,
    }
    rows = [(row["user_id"], row["item_id"]) for row in read_atomic(folder / "Tiny.inter")]
    assert [item for user, item in rows if user == "u"] == ["a", "b", "c", "d", "a"]
    assert [item for user, item in rows if user == "w"] == ["e", "d", "c", "b", "a"]  # equal times: order of the file
    items = {row["item_id"]: tuple(row.values())[1:] for row in read_atomic(folder / "Tiny.item")}
    assert list(items) == ["a", "e", "d", "c", "b"]  # by first event; z has none left
    assert items["a"] == ("T", "Leaf", "", "$1")
    assert items["b"] == ("", "", "", "")
    assert summary["texts"]["items_without_metadata"] == 4
    assert json.loads((folder / "Tiny.prepare.json").read_text(encoding="utf-8")) == summary


def test_dedup_can_be_switched_off_and_v_stays(raw, tmp_path):
    counts = prepare(*raw, tmp_path, PrepareSettings("Tiny", dedup=False))["counts"]
    assert (counts["users"], counts["events"], counts["duplicates_dropped"]) == (3, 16, 0)


def test_ties_item_finds_the_repeat_behind_another_item(tmp_path):
    path = write(tmp_path / "r.json", [review("u", item, 1) for item in "aba"])
    for ties, events in (("file", 3), ("item", 2)):
        counts = prepare(path, None, tmp_path, PrepareSettings("Tiny", min_user_events=1, ties=ties))["counts"]
        assert counts["events"] == events


def test_users_are_sampled_after_the_filter(tmp_path):
    path = write(tmp_path / "r.json", [review(f"u{n}", item, 1) for n in range(20) for item in "abcde"])
    settings = PrepareSettings("Tiny", user_fraction=0.2, user_seed=3)
    counts = prepare(path, None, tmp_path, settings)["counts"]
    assert (counts["users"], counts["users_not_sampled"]) == (4, 16)


def test_the_same_input_gives_the_same_bytes(raw, tmp_path):
    for out in ("one", "two"):
        prepare(*raw, tmp_path / out, PrepareSettings("Tiny"))
    for name in ("Tiny.inter", "Tiny.item", "Tiny.prepare.json"):
        assert (tmp_path / "one" / "Tiny" / name).read_bytes() == (tmp_path / "two" / "Tiny" / name).read_bytes()


def test_an_empty_result_is_an_error_and_leaves_nothing(tmp_path):
    path = write(tmp_path / "r.json", [review("u", "a", 1), {"asin": "a"}])
    message = (
        r"1 usable events of 1 users in 2 lines \(bad lines: 1 lacks user \(reviewerID\)\), no user with --min_user"
    )
    with pytest.raises(DataError, match=message):
        prepare(path, None, tmp_path / "out", PrepareSettings("Tiny"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_ours_is_left_alone(raw, tmp_path):
    (tmp_path / "Tiny").mkdir()
    (tmp_path / "Tiny" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="was not made by `calrec prepare`; move it away or choose another --name"):
        prepare(*raw, tmp_path, PrepareSettings("Tiny"))
    assert (tmp_path / "Tiny" / "notes.txt").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"name": "../x"}, "--name='../x' is not a folder name"),
        ({"name": ".x"}, "--name='.x' is not a folder name"),
        ({"name": " "}, "--name=' ' is not a folder name"),
        ({"name": "a\nb"}, r"--name='a\\nb' is not a folder name"),
        ({"name": "a\0b"}, r"--name='a\\x00b' is not a folder name"),
        ({"category_source": "main_cats"}, r"--category_source=main_cats must be one of .*; did you mean 'main_cat'\?"),
        ({"ties": "x"}, "--ties=x must be one of file, item"),
        ({"user_fraction": 0.0}, "user_fraction=0.0 must be above 0"),
        ({"min_user_events": 0}, "--min_user_events=0 must be at least 1"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ConfigError, match=message):
        PrepareSettings(**{"name": "Tiny"} | setting)


DYING = """
import os, signal, sys
from pathlib import Path
import calrec_recbole.data.pipeline as module
whole = getattr(module, sys.argv[1])
def dying(*arguments):
    whole(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, sys.argv[1], dying)
module.prepare(Path(sys.argv[2]), None, Path(sys.argv[3]), module.PrepareSettings("Tiny", min_user_events=1))
"""


@pytest.mark.parametrize("step", ["read_parts", "write_inter", "write_item", "write_json"])
@pytest.mark.parametrize("older", [False, True])
def test_killed_at_any_step_nothing_half_written_is_taken_for_whole(raw, tmp_path, step, older):
    out = tmp_path / "out"
    settings = PrepareSettings("Tiny", min_user_events=1)
    before = prepare(raw[0], None, out, settings) if older else None
    done = subprocess.run([sys.executable, "-c", DYING, step, str(raw[0]), str(out)], capture_output=True, timeout=600)
    assert done.returncode == -signal.SIGKILL
    folder = out / "Tiny"
    assert folder.exists() == older
    if older:
        assert statistics(folder).purchases == before["counts"]["events"]
    assert prepare(raw[0], None, out, settings)["counts"]["events"] == 14
    assert statistics(folder).purchases == 14


def of_shared(shared_data, name, tmp_path):
    category = known_categories()[name]
    reviews = find_reviews(shared_data, category.stem)
    settings = PrepareSettings(name, root=category.root, ties=category.ties)
    return prepare(reviews, find_metadata([reviews.parent], category.stem), tmp_path, settings)


def test_scientific_is_the_papers_within_a_fifth_of_a_percent(shared_data, tmp_path):
    of_shared(shared_data, "Scientific", tmp_path)
    ours, paper = statistics(tmp_path / "Scientific"), paper_statistics()["Scientific"]
    for field in ("users", "items", "purchases"):
        assert getattr(ours, field) == pytest.approx(getattr(paper, field), rel=0.002), field
    assert ours.duplicates == pytest.approx(5.5, abs=0.05)


def test_with_one_broad_category_scientific_has_the_papers_words(shared_data, tmp_path):
    """``main_cat``, which this copy lacks, is one and the same of three words in nearly all items."""
    of_shared(shared_data, "Scientific", tmp_path)
    file = tmp_path / "Scientific" / "Scientific.item"
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines, delimiter="\t")
    for row in rows:
        row[header.index("category:token")] = "Industrial & Scientific"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, delimiter="\t").writerows([header, *rows])
    assert statistics(tmp_path / "Scientific").words_per_item == pytest.approx(22.82, rel=0.002)


@pytest.mark.parametrize(
    ("name", "raw_events", "bad"),
    [("Gift_Cards", 2972, 0), ("Magazine_Subscriptions", 2375, 0), ("All_Beauty", 5269, 0), ("Movies", 31085, 818)],
)
def test_every_line_of_a_real_file_is_an_event_or_named(shared_data, tmp_path, name, raw_events, bad):
    summary = of_shared(shared_data, name, tmp_path)
    assert sum(found["lines"] for found in summary["reviews"]["bad_lines"].values()) == bad
    assert summary["counts"]["raw_events"] + bad == summary["reviews"]["lines"] == raw_events
    assert os.listdir(tmp_path) == [name]
