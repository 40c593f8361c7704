"""Downloads from a local server that breaks off, ignores ranges, or refuses."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calrec_recbole.data.download import download, raw_urls
from calrec_recbole.errors import DataError

BODY = bytes(range(256)) * 400  # 102,400 bytes


class Handler(BaseHTTPRequestHandler):
    """Serves BODY in pieces of at most ``server.piece`` bytes, then closes although more was announced."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        if "absent" in self.path:
            self.send_error(404)
            return
        start = self.start()
        if start >= len(BODY):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if self.server.announce:
            self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start : start + self.server.piece])

    def start(self):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return int(found[1]) if found and self.server.ranges else 0

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.piece, server.ranges, server.announce = [], len(BODY), True, True
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
    assert [asked for _, asked in server.requests] == [None, "bytes=40000-", "bytes=80000-"]


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    server.ranges = False
    (tmp_path / "x_5.json.gz.part").write_bytes(b"of an older file, and wrong")
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_still_broken_after_five_attempts_keeps_the_part_for_the_next_call(server, tmp_path):
    server.piece = 10_000
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
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="broken off"):
        download("http://127.0.0.1:9/x.gz", tmp_path, sleep=lambda seconds: None)
