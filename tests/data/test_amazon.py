"""Reviews become compact events in file order."""

import gzip
import json
import math

from calrec_recbole.data.amazon import read_reviews


def write(path, records):
    lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)
    data = lines.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def review(user="u", item="a", time=100, **more):
    return {"reviewerID": user, "asin": item, "unixReviewTime": time, **more}


def test_columns_by_hand(tmp_path):
    records = [
        review("u1", "i1", 5, overall=4.0, reviewText="good"),
        review("u2", "i1", 3, overall=5, reviewText="good"),
        review("u1", "0007", "7", reviewText=""),
        review("u1", 12, 7.5, reviewText="bad"),
    ]
    events, file = read_reviews(write(tmp_path / "r.json.gz", records))
    assert events.users == ["u1", "u2"]
    assert events.items == ["i1", "0007", "12"]
    table = events.table
    assert table["user_id"].tolist() == [0, 1, 0, 0]
    assert table["item_id"].tolist() == [0, 0, 1, 2]
    assert table["timestamp"].tolist() == [5, 3, 7, 7.5]
    assert table["rating"].tolist()[:2] == [4, 5]
    assert math.isnan(table["rating"][2])
    text = table["text"].tolist()
    assert text[0] == text[1] != text[3]
    assert text[2] == 0
    assert file.bad.total == 0


def test_what_lacks_user_item_or_time_is_counted(tmp_path):
    records = [
        review(),
        review(user=""),
        review(user=None),
        review(item=["a"]),
        review(time=None),
        review(time="soon"),
        review(time=float("nan")),
        review(time=True),
        '{"asin": "a"}',
        "{",
        review(user="a\tb"),
        review(item="NA"),
        review(time=1e308),
        review(time=10**401),
        review(user="u" * 131_073),
        review(time=101, overall=1e308),
    ]
    events, file = read_reviews(write(tmp_path / "r.json", records))
    assert len(events.table) == 2
    assert events.table["rating"].isna().all()
    assert file.bad.summary() == {
        "lacks user (reviewerID)": {"lines": 3, "first": [2, 3, 9]},
        "lacks item (asin)": {"lines": 1, "first": [4]},
        "lacks time (unixReviewTime)": {"lines": 6, "first": [5, 6, 7, 8, 13]},
        "not JSON": {"lines": 1, "first": [10]},
        "user id (reviewerID) that a table cannot hold": {"lines": 2, "first": [11, 15]},
        "item id (asin) that a table cannot hold": {"lines": 1, "first": [12]},
    }


def test_no_usable_line_gives_no_event(tmp_path):
    events, file = read_reviews(write(tmp_path / "r.json", ["x"]))
    assert (len(events.table), events.users, file.bad.total) == (0, [], 1)
