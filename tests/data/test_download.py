"""Downloads from a local server that breaks off, ignores ranges, or refuses."""

import gzip
import json
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calrec_recbole.data.download import download, raw_urls
from calrec_recbole.errors import DataError


def packed(seed, lines=1600):
    """A gzip file of JSON lines that do not pack well, about 100,000 bytes."""
    draw = random.Random(seed)
    text = "".join(json.dumps({"asin": f"I{number}", "x": draw.randbytes(48).hex()}) + "\n" for number in range(lines))
    return gzip.compress(text.encode(), mtime=0)


BODY, OTHER = packed(1), packed(2)


class Handler(BaseHTTPRequestHandler):
    """Serves BODY in pieces of at most ``server.piece`` bytes, then closes although more was announced."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        if "absent" in self.path:
            self.send_error(404)
            return
        if "loop" in self.path:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        body, start = self.server.body, self.start()
        if start >= len(body) and start:
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        headers = {"ETag": self.server.etag} if self.server.etag else {}
        if self.server.announce:
            headers["Content-Length"] = str(len(body) - start)
        if start:
            headers["Content-Range"] = f"bytes {start + self.server.shift}-{len(body) - 1}/{len(body)}"
        for name, value in (headers | self.server.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.server.began.set()
        time.sleep(self.server.pause)
        self.wfile.write(body[start + self.server.shift * bool(start) :][: self.server.piece])
        if self.server.after:
            self.server.after.pop(0)()

    def start(self):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        same = self.headers.get("If-Range", self.server.etag) == self.server.etag
        return int(found[1]) if found and self.server.ranges and same else 0

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.piece, server.ranges, server.announce = [], len(BODY), True, True
    server.body, server.etag, server.shift, server.pause, server.headers, server.after = BODY, "", 0, 0.0, {}, []
    server.began = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server, folder, name="x_5.json.gz"):
    return download(f"{server.url}/{name}", folder, sleep=lambda seconds: None)


def test_addresses():
    reviews, meta = raw_urls("Video_Games", "http://host/base/")
    assert reviews == "http://host/base/categoryFilesSmall/Video_Games_5.json.gz"
    assert meta == "http://host/base/metaFiles2/meta_Video_Games.json.gz"


def test_whole_file_and_no_second_fetch(server, tmp_path):
    path = fetch(server, tmp_path / "new")
    assert path == fetch(server, tmp_path / "new")
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == ["x_5.json.gz"]
    assert len(server.requests) == 1


def test_broken_off_in_the_middle_is_resumed_where_it_ended(server, tmp_path):
    server.piece = 40_000
    assert fetch(server, tmp_path).read_bytes() == BODY
    assert [asked for _, asked in server.requests][:3] == [None, "bytes=40000-", "bytes=80000-"]


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    server.ranges = False
    (tmp_path / "x_5.json.gz.part").write_bytes(b"of an older file, and wrong")
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_still_broken_after_five_attempts_keeps_the_part_for_the_next_call(server, tmp_path):
    server.piece = 10_000
    assert len(BODY) > 60_000
    with pytest.raises(DataError, match=r"broken off .* 5 times; run the same command again to resume"):
        fetch(server, tmp_path)
    assert not (tmp_path / "x_5.json.gz").exists()
    assert (tmp_path / "x_5.json.gz.part").read_bytes() == BODY[:50_000]
    server.piece = len(BODY)
    assert fetch(server, tmp_path).read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=50000-"


def test_a_part_that_is_too_long_is_thrown_away(server, tmp_path):
    (tmp_path / "x_5.json.gz.part").write_bytes(BODY + b"more")
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_without_a_size_the_end_of_the_body_is_the_end(server, tmp_path):
    server.announce = False
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_refusals_name_the_address(server, tmp_path):
    with pytest.raises(DataError, match=r"/absent_5.json.gz: HTTP 404 Not Found; check --base_url"):
        fetch(server, tmp_path, "absent_5.json.gz")
    assert [file for file in tmp_path.iterdir() if not file.name.startswith(".")] == []
    with pytest.raises(DataError, match="broken off"):
        download("http://127.0.0.1:9/x.gz", tmp_path, sleep=lambda seconds: None)


HTML = b"<!DOCTYPE html><title>Moved</title>"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (HTML, "sent no gzip file but b'<!DOCTYPE html>"),
        (b'{"asin": "I0"}\n', "sent no gzip file"),
        (gzip.compress(HTML), "the first line is no JSON object"),
        (gzip.compress(BODY), "the first line is no JSON object"),  # packed once more on its way
        (gzip.compress(b""), "the first line is no JSON object .empty line"),
        (b"", "broken off .an empty answer"),
        (BODY[:-9], "broken off .the gzip data end early"),
        (BODY[:500] + b"xxxx" + BODY[504:], "broken off .damaged gzip data"),
    ],
    ids=["html", "plain", "packed html", "packed twice", "packed nothing", "nothing", "cut", "damaged"],
)
@pytest.mark.parametrize("announce", [True, False])
def test_nothing_else_is_ever_taken_for_the_file(server, tmp_path, body, told, announce):
    server.body, server.announce = body, announce
    with pytest.raises(DataError, match=told) as raised:
        fetch(server, tmp_path)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "x_5.json.gz").exists()
    server.body = BODY
    assert fetch(server, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("etag", ["", '"1"'])
def test_a_file_that_changes_between_two_attempts_is_never_stitched(server, tmp_path, etag):
    def change():
        server.body, server.etag = OTHER, etag and '"2"'
        server.piece = len(OTHER)

    server.piece, server.etag, server.after = 40_000, etag, [change]
    assert fetch(server, tmp_path).read_bytes() == OTHER


def test_a_range_that_starts_elsewhere_is_not_appended(server, tmp_path):
    def mend():
        server.shift = 0

    server.piece, server.shift, server.after = 60_000, 100, [lambda: None, mend]
    assert fetch(server, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("headers", [{"Content-Length": "abc"}, {"Content-Length": "-3"}, {"Content-Encoding": "gzip"}])
def test_headers_of_nonsense_do_no_harm(server, tmp_path, headers):
    server.announce, server.headers = False, headers
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_a_circle_of_redirections_is_one_line(server, tmp_path):
    with pytest.raises(DataError, match="HTTP 302") as raised:
        fetch(server, tmp_path, "loop.json.gz")
    assert "\n" not in str(raised.value)


def test_two_downloads_of_one_file_wait_for_each_other(server, tmp_path, capsys):
    server.pause = 0.3
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(server, tmp_path).read_bytes())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [BODY] * 3
    assert len(server.requests) == 1
    assert "another download: waiting" in capsys.readouterr().err


def test_a_file_of_another_kind_that_is_there_is_named(server, tmp_path):
    (tmp_path / "x_5.json.gz").write_bytes(HTML)
    with pytest.raises(DataError, match=r"x_5.json.gz is no gzip file .it begins b'<!DOCTYPE"):
        fetch(server, tmp_path)
    assert server.requests == []
