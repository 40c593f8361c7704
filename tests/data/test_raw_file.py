"""Bad lines are counted and named, and never stop the reading."""

import gzip
import hashlib
import json

import pytest

from calrec_recbole.data.raw_file import BadLineError, RawFile, parse_line


def read(path):
    file = RawFile(path)
    return list(file.objects()), file


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json\n", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[1, 2]\n", "not an object"),
        (b"3\n", "not an object"),
        (b"\n", "empty line"),
        (b'{"a": "\xff"}\n', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b"{'a': __import__('os')}", "not JSON"),
        (b"{'a': " + b"(" * 5000, "not JSON"),
    ],
)
def test_why_a_line_is_bad(line, reason):
    with pytest.raises(BadLineError, match=f"^{reason}$"):
        parse_line(line)


def test_json_and_python_literals():
    assert parse_line(b'\xef\xbb\xbf{"a": "\xc3\xa9"}\n') == {"a": "é"}
    assert parse_line(rb"{'categories': [['Beauty', 'Men\'s \d']], 'price': 1.5}") == {
        "categories": [["Beauty", "Men's \\d"]],
        "price": 1.5,
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_one_pass_counts_hashes_and_numbers(tmp_path, pack):
    path = tmp_path / "reviews.anything"
    path.write_bytes(pack(b'{"n": 1}\nbad\n{"n": 3}\n\nbad'))
    found, file = read(path)
    assert found == [(1, {"n": 1}), (3, {"n": 3})]
    assert file.summary() == {
        "file": "reviews.anything",
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "lines": 5,
        "bad_lines": {"not JSON": {"lines": 2, "first": [2, 5]}, "empty line": {"lines": 1, "first": [4]}},
    }


def test_only_the_first_five_numbers_are_kept(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b"x\n" * 9)
    assert read(path)[1].bad.summary() == {"not JSON": {"lines": 9, "first": [1, 2, 3, 4, 5]}}


def lines_of(count):
    return b"".join(
        json.dumps({"n": n, "noise": hashlib.sha256(b"%d" % n).hexdigest()}).encode() + b"\n" for n in range(count)
    )


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:20_000] + b"\x00" * 99 + data[20_099:]]
)
def test_damaged_gzip_ends_the_reading_and_is_named(tmp_path, damage):
    path = tmp_path / "r.json.gz"
    path.write_bytes(damage(gzip.compress(lines_of(3000))))
    found, file = read(path)
    assert 0 < len(found) < 3000
    assert file.bad.counts["gzip data cut off or damaged from here on"] == 1
    assert file.size == path.stat().st_size
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
