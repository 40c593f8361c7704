"""The 2023 release: categories, files in a folder, and a hub of our own that serves them."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calrec_recbole.data.layouts.release2023 import REPOSITORY, category2023, fetch, find_files, metadata_folders
from calrec_recbole.errors import ConfigError, DataError

META = "raw/meta_categories/meta_Gift_Cards.jsonl"
CORE = "benchmark/5core/rating_only/Gift_Cards.csv"
SERVED = {CORE: b"user_id,parent_asin,rating,timestamp\n", META: b"{}\n"}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_categories_by_short_name_and_by_stem():
    ours = category2023("scientific")
    assert (ours.name, ours.stem, ours.root) == (
        "Scientific2023",
        "Industrial_and_Scientific",
        "Industrial & Scientific",
    )
    assert (ours.release, ours.user_fraction, ours.ties) == (2023, 1.0, "file")
    assert category2023("AMAZON_FASHION").stem == "Amazon_Fashion"
    assert category2023("Office").user_fraction == 1.0  # the paper samples half of 2018's
    baby = category2023("Baby_Products")
    assert (baby.name, baby.stem, baby.root) == ("Baby_Products2023", "Baby_Products", None)
    with pytest.raises(
        ConfigError, match="--category=Baby_Product is no category of --release=2023; did you mean 'Baby_"
    ):
        category2023("Baby_Product")


def test_files_as_in_the_repository_or_flat_or_packed(tmp_path):
    with pytest.raises(DataError, match=r"no benchmark/5core/rating_only/Gift_Cards.csv or .* add --download"):
        find_files(tmp_path / "none", "Gift_Cards")
    reviews = touch(tmp_path / "raw/review_categories/Gift_Cards.jsonl")
    assert find_files(tmp_path, "Gift_Cards") == (reviews, None)
    meta = touch(tmp_path / META)
    split = touch(tmp_path / "benchmark/5core/timestamp/Gift_Cards.train.csv")
    assert find_files(tmp_path, "Gift_Cards") == (split, meta)
    core = touch(tmp_path / "flat" / "Gift_Cards.csv.gz")
    assert find_files(tmp_path, "Gift_Cards") == (core, meta)
    assert find_files(tmp_path, "Gift_Cards", "reviews") == (reviews, meta)
    assert find_files(tmp_path / "flat", "Gift_Cards") == (core, None)
    beside = touch(tmp_path / "flat" / "meta_Gift_Cards.jsonl")
    assert find_files(tmp_path / "flat", "Gift_Cards") == (core, beside)
    with pytest.raises(DataError, match=r"no benchmark/5core/last_out/Gift_Cards.train.csv in"):
        find_files(tmp_path, "Gift_Cards", "last_out")


def test_metadata_folders_of_files_in_the_tree_of_the_repository(tmp_path):
    for reviews in (CORE, "raw/review_categories/Gift_Cards.jsonl"):
        assert (tmp_path / META).parent in metadata_folders(tmp_path / reviews)


class Hub(BaseHTTPRequestHandler):
    """What the client asks of a hub: HEAD and GET of a file, with its commit, hash and size; 404 by X-Error-Code."""

    def answer(self):
        prefix = f"/datasets/{REPOSITORY}/resolve/main/"
        self.server.asked.append(self.command)
        body = self.server.files.get(self.path.removeprefix(prefix))
        self.send_response(200 if body is not None else 404)
        self.send_header("X-Repo-Commit", "c" * 40)
        if body is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_HEAD = do_GET = answer  # noqa: N815

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.asked = dict(SERVED), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(hub):
    return f"http://127.0.0.1:{hub.server_address[1]}"


def test_files_come_under_their_names_and_stay(hub, tmp_path):
    fetch("Gift_Cards", tmp_path, endpoint=address(hub))
    assert {name: (tmp_path / name).read_bytes() for name in SERVED} == SERVED
    assert find_files(tmp_path, "Gift_Cards") == (tmp_path / CORE, tmp_path / META)
    assert hub.asked.count("GET") == 2
    fetch("Gift_Cards", tmp_path, endpoint=address(hub))
    assert hub.asked.count("GET") == 2


def test_a_file_that_the_release_lacks(hub, tmp_path):
    with pytest.raises(
        DataError, match=r"has no benchmark/5core/rating_only/Appliances.csv; --files=reviews has the cat"
    ):
        fetch("Appliances", tmp_path, endpoint=address(hub))


def test_no_hub_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 1)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's own attempts
    with pytest.raises(
        DataError, match=r"^benchmark.*Gift_Cards.csv cannot be fetched from http://127.0.0.1:9: .+"
    ) as error:
        fetch("Gift_Cards", tmp_path, endpoint="http://127.0.0.1:9")
    assert "\n" not in str(error.value)
