"""The page as a browser sees it: headless Chromium, where one is installed."""

import json
import os
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from calrec_recbole.report import Entry, Manifest, write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PROBE = """
<script>
window.addEventListener("load", () => {
  const drawn = [...document.querySelectorAll("figure svg")].map(svg => svg.getBoundingClientRect());
  const found = {
    images: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
    drawings: drawn.length,
    empty: drawn.filter(box => box.width < 100 || box.height < 50).length,
    requests: performance.getEntriesByType("resource").map(entry => entry.name).filter(n => !n.startsWith("data:")),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    width: window.innerWidth,
  };
  const table = document.querySelector("table.results");
  const names = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent.trim());
  found.orders = [names()];
  for (const click of [1, 2, 3]) {
    table.tHead.rows[0].cells[1].click();
    found.orders.push(names());
  }
  document.getElementById("theme").click();
  found.theme = document.documentElement.dataset.theme;
  document.body.dataset.found = JSON.stringify(found);
});
</script>
"""


@pytest.fixture(scope="module")
def page(run_writer, tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    entries = [Entry(model, model, "Tiny", str(run_writer(place)(model))) for model in ("SASRec", "LIR")]
    write_report(Manifest("x", "X", entries=entries), place / "out")
    return place / "out" / "report.html"


@pytest.fixture
def chromium(tmp_path):
    """Opens an address in a window of a given width -> the document as it then is, and what was logged."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")

    def look(address, width):
        options = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--virtual-time-budget=5000"),
            *("--enable-logging=stderr", "--dump-dom"),
        ]
        home = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, timeout=300, env=home)
        assert done.returncode == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    return look


@pytest.mark.parametrize("width", [500, 1280])  # Chromium's narrowest window, and a desktop's
def test_the_page_needs_nothing_and_shows_everything(page, chromium, width):
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom, console = chromium(probed.as_uri(), width)
    assert console == []
    found = json.loads(re.search(r'data-found="([^"]*)"', dom)[1].replace("&quot;", '"'))
    assert found["images"] == found["empty"] == 0
    assert found["drawings"] == 4  # metrics, gap, curves, cost
    assert found["requests"] == []
    assert found["overflow"] <= 0
    assert found["theme"] in ("dark", "light")
    # NDCG@10: SASRec (1 + .6309 + .5) / 4 in both cases, LIR 3 / 4 in the optimistic one, by which the column is sorted
    assert found["orders"] == [["SASRec", "LIR"], ["LIR", "SASRec"], ["SASRec", "LIR"], ["SASRec", "LIR"]]


@pytest.fixture
def served(page):
    """The page's folder over HTTP: its address, and every path that was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(page.parent))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_no_request_leaves_the_page(served, chromium):
    address, asked = served
    chromium(f"{address}/report.html", 1280)
    assert set(asked) == {"/report.html"}


def test_the_probe_finds_what_is_wrong(page, served, chromium):
    """An error and a missing picture would be seen."""
    broken = page.with_name("broken.html")
    wrong = '<img src="missing.png"><script>undefinedFunction()</script>'
    broken.write_text(page.read_text().replace("</body>", wrong + PROBE + "</body>"))
    address, asked = served
    dom, console = chromium(f"{address}/broken.html", 1280)
    found = json.loads(re.search(r'data-found="([^"]*)"', dom)[1].replace("&quot;", '"'))
    assert any("undefinedFunction" in line for line in console)
    assert found["images"] == 1
    assert any("missing.png" in name for name in found["requests"])
    assert "/missing.png" in asked
