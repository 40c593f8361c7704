"""A file's layout is told from its records; what has none is named."""

import gzip
import json

import pytest

from calrec_recbole.data.layouts.containers import JSON_ARRAY
from calrec_recbole.data.layouts.known_layouts import LAYOUTS, METADATA2018
from calrec_recbole.data.layouts.recognition import metadata_layout, reviews_layout
from calrec_recbole.data.raw_file import JSON_LINES
from calrec_recbole.errors import ConfigError, DataError

OLD = {"reviewerID": "A1RSDE90N6RSZF", "asin": "B00006HAXW", "unixReviewTime": 1390003200}
NEW = {"user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ", "parent_asin": "B081TJ8YS3", "timestamp": 1588615855070, "text": "x"}
META_OLD = {"asin": "B00006HAXW", "title": "Saw", "category": ["Tools"], "brand": "Acme"}
META_NEW = {"parent_asin": "B081TJ8YS3", "title": "Soap", "store": "Howard", "categories": [], "price": None}


def write(path, *records, pack=bytes):
    lines = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records)
    path.write_bytes(pack(lines.encode()))
    return path


@pytest.mark.parametrize(("record", "name"), [(OLD, "amazon2014"), (OLD, "amazon2018"), (NEW, "amazon2023")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_json_lines_and_arrays(tmp_path, record, name, pack):
    lines = write(tmp_path / "r", "not JSON", record, record, pack=pack)
    assert reviews_layout(lines) == (LAYOUTS[name], JSON_LINES)
    array = write(tmp_path / "a", json.dumps([record, record], indent=1), pack=pack)
    assert reviews_layout(array) == (LAYOUTS[name], JSON_ARRAY)


def test_the_line_that_is_said(tmp_path):
    assert str(reviews_layout(write(tmp_path / "r", NEW))) == (
        "Amazon reviews of 2023 (user_id, parent_asin, timestamp in ms)"
    )


def test_python_literals_of_2014(tmp_path):
    meta = write(tmp_path / "m", repr({"asin": "0001", "categories": [["Books"]], "title": "It's"}))
    assert metadata_layout(meta) == (METADATA2018, JSON_LINES)


@pytest.mark.parametrize("history", ["", ",history"])
def test_the_5_core_csv_of_2023(tmp_path, history):
    row = "AGKH,B081TJ8YS3,4.0,1588615855070" + (",B0 B1" if history else "")
    path = write(tmp_path / "X.csv", f"user_id,parent_asin,rating,timestamp{history}", row)
    layout, container = reviews_layout(path)
    assert layout == LAYOUTS["amazon2023"]
    ((number, record),) = container.records(path.read_bytes().splitlines())
    assert (number, record["user_id"], record["timestamp"]) == (2, "AGKH", "1588615855070")


def test_ratings_by_the_place_of_the_ten_characters(tmp_path):
    user_first = write(
        tmp_path / "14.csv", "A39HTATAQ9V7YF,0205616461,5.0,1369699200", "A3JM,B000052YMG,1.0,1334707200"
    )
    assert reviews_layout(user_first)[0] == LAYOUTS["ratings2014"]
    item_first = write(tmp_path / "18.csv", "0205616461,A39HTATAQ9V7YF,5.0,1369699200")
    assert reviews_layout(item_first)[0] == LAYOUTS["ratings2018"]
    neither = write(tmp_path / "x.csv", "B000052YMG,B000052YMH,1.0,1334707200")
    with pytest.raises(DataError, match="cannot be told whether users or items come first; give --layout=ratings2014"):
        reviews_layout(neither)
    layout, container = reviews_layout(neither, "ratings2014")
    ((_, record),) = container.records(neither.read_bytes().splitlines())
    assert (record[layout.user], record[layout.item], record[layout.time]) == ("B000052YMG", "B000052YMH", "1334707200")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            json.dumps(META_OLD),
            "holds metadata .the keys asin, title, category, brand., not reviews: give it as --meta=",
        ),
        (json.dumps(META_NEW), "holds metadata .the keys parent_asin, title, .*, not reviews"),
        ('{"who": 1, "what": 2}', "no known layout: it has the keys who, what, and needed are reviewerID, asin, unix"),
        ("who,what,when\nann,pen,1\n", "no known layout: its columns are who, what, when; of a table with columns of"),
        (
            "a,b,c,d\n1,2,x,y\n",
            "no known layout: its columns are a, b, c, d; of a table with columns of your own: calrec",
        ),
        ("<!DOCTYPE html>\n<p>moved, away, now</p>", "is a page of HTML or XML: JSON and csv are read"),
        ("", "is empty"),
        ("PAR1,,,,", "no known layout"),
        ("user_id:token\titem_id:token\nu\ti\n", "holds no JSON object: JSON and csv are read"),
        ("[]", "holds no JSON object"),
        ("PK\x03\x04 zipped", "is a zip archive: unpack or convert it first"),
        ("PAR1\x15\x04", "is a Parquet file: unpack"),
    ],
)
def test_another_kind_of_file_is_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as error:
        reviews_layout(write(tmp_path / "r", content))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(OLD), "holds reviews .the keys reviewerID, asin, unixReviewTime., not metadata: give it as --rev"),
        (json.dumps(NEW), "holds reviews .*, not metadata"),
        (
            '{"who": 1}',
            "is no metadata: it has the keys who, and needed are asin or parent_asin, and title or category",
        ),
        ("a,b,c\n", "holds no JSON object"),
        ("{}", "is no metadata: it has no keys"),
    ],
)
def test_another_kind_of_metadata_is_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        metadata_layout(write(tmp_path / "m", content))


def test_damaged_gzip(tmp_path):
    (tmp_path / "r").write_bytes(b"\x1f\x8b\x00")
    for layout_of in (reviews_layout, metadata_layout):
        with pytest.raises(DataError, match="is gzip data that is damaged from its start: fetch it again"):
            layout_of(tmp_path / "r")


def test_a_given_layout_that_does_not_fit(tmp_path):
    with pytest.raises(ConfigError, match=r"--layout=amazon2003 must be one of amazon2014, .*; did you mean 'amazon20"):
        reviews_layout(write(tmp_path / "r", OLD), "amazon2003")
    with pytest.raises(DataError, match=r"no known layout: it has .* needed are user_id, parent_asin, timestamp;"):
        reviews_layout(write(tmp_path / "r", OLD), "amazon2023")
