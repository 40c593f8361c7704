"""Milvus by address, as its client speaks to a server: milvus-lite's server mode, in a process of its own."""

import re
import socket
import subprocess
import sys
import time

import pytest

from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.errors import ConfigError
from calrec_recbole.retrieval import LuceneBM25

TEXTS = [
    f"Title: {color} {thing}. Brand: {brand}."
    for color in ("red", "blue", "green", "white")
    for thing in ("pen", "ruler", "tape")
    for brand in ("Acme", "Bolt")
]
QUERIES = ["Title: red pen.", "Title: blue tape. Brand: Acme.", "", "unheard"]
SECONDS = 60  # for the server to start


@pytest.fixture
def server(tmp_path):
    """An address, and the process that answers there."""
    pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--data-dir", str(tmp_path / "served"), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "milvus_lite", "server", *place], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(process, port)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


def _wait(process, port):
    for _ in range(10 * SECONDS):
        assert process.poll() is None, "the server ended"
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")


def test_a_servers_candidates_have_lucenes_scores_and_the_next_run_finds_them(server, monkeypatch):
    address, process = server
    exact = LuceneBM25(TEXTS).scores(QUERIES)
    first = MilvusBM25(TEXTS, uri=address)
    assert (first.scores(QUERIES) == exact).all()

    with monkeypatch.context() as patched:
        patched.setattr(type(first.collection.client), "upsert", lambda *_, **__: pytest.fail("written again"))
        second = MilvusBM25(TEXTS, uri=address)
    assert second.collection.name == first.collection.name
    assert (second.scores(QUERIES) == exact).all()

    process.kill()
    process.wait()
    monkeypatch.setattr("calrec_recbole.engines.milvus.collection.SECONDS", 0.5)
    with pytest.raises(ConfigError, match=f"milvus_uri='{re.escape(address)}' cannot be used"):
        MilvusBM25(TEXTS, uri=address)
