"""A run to a hub of our own that speaks as the real one does, and back: the same weights, ranks and metrics."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from calrec_recbole.backbone import load_backbone
from calrec_recbole.errors import BackboneError, ConfigError, DataError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.hub.publish import fetch, publish, publish_card
from calrec_recbole.runs.hub.run_card import run_card

REPO, COMMIT = "lab/run", "c" * 40


class Hub(BaseHTTPRequestHandler):
    """Creates repositories, takes commits whose files stand in them, lists files and gives them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path, files = urlsplit(self.path).path, self.server.files
        if self.server.refuses:
            return self.reply(b'{"error": "no such token"}', status=401)
        if path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            return self.reply({"url": f"{self.server.address}/{REPO}"})
        if path == "/api/validate-yaml":
            return self.reply({"errors": [], "warnings": []})
        if path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            return self.reply(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]}
            )
        assert path == f"/api/{self.server.kind}s/{REPO}/commit/main", path
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "deletedFile":
                del files[value["path"]]
        return self.reply({"commitUrl": f"{self.server.address}/{REPO}/commit/{COMMIT}", "commitOid": COMMIT})

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        files = self.server.files
        if path.startswith(f"/api/{self.server.kind}s/{REPO}/tree/"):
            return self.reply(
                [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()]
            )
        if path.startswith(f"/api/{self.server.kind}s/{REPO}"):
            return self.reply({"id": REPO, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
        data = files.get(path.removeprefix(f"/{REPO}/resolve/{COMMIT}/"))
        return self.reply(data or b"", status=404 if data is None else 200)

    do_HEAD = do_GET  # noqa: N815

    def reply(self, value, status=200):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.files, server.created, server.refuses, server.kind = {}, [], False, "model"
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def finished(calrec_settings):
    return run("CALRec", overrides=calrec_settings, show=False).folder


def test_a_run_comes_back_as_it_was(finished, hub, tmp_path):
    address, lost = publish(finished, REPO, licence="apache-2.0", endpoint=hub.address)
    assert (address, lost) == (f"{hub.address}/{REPO}/commit/{COMMIT}", None)
    assert hub.created[0]["name"] == "run"
    assert not [name for name in hub.files if name.endswith((".pth", ".txt")) or "samples" in name]
    fetch(REPO, tmp_path / "back", endpoint=hub.address)
    for name in ("ranks.parquet", "metrics.json", "config.yaml", "checkpoint/best/model.safetensors"):
        assert (tmp_path / "back" / name).read_bytes() == (finished / name).read_bytes()
    ours, theirs = (load_run(folder).model.backbone_model.state_dict() for folder in (finished, tmp_path / "back"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(ConfigError, match=r"--out=.*back exists: give another folder"):
        fetch(REPO, tmp_path / "back", endpoint=hub.address)


def test_the_card_says_data_recipe_metrics_with_ties_and_licence(finished, hub):
    publish(finished, REPO, licence="apache-2.0", endpoint=hub.address)
    card = ModelCard(hub.files["README.md"].decode())
    metrics = json.loads((finished / "metrics.json").read_text())["test"]
    assert card.data.license == "apache-2.0"
    assert {one.metric_type: one.metric_value for one in card.data.eval_results} == metrics
    hashes = json.loads((finished / "environment.json").read_text())["data_sha256"]
    for part in (hashes["inter"], f"{metrics['ndcg_pes@10']:.5f}", f"{metrics['ndcg_opt@10']:.5f}", "8 tested"):
        assert part in card.text


def test_the_card_says_what_the_folder_lacks(finished):
    text = run_card(finished, REPO).text
    assert 'calrec_recbole.load_run("RUN", "DIR")` also need the prepared data, in `DIR/Tiny/`.' in text
    assert "source" not in text
    config = finished / "config.yaml"
    config.write_text(re.sub("^model: .*", "model: my_models:NextItem", config.read_text(), flags=re.MULTILINE))
    assert "The source of `my_models:NextItem` is not in this repository" in run_card(finished, REPO).text


def test_a_delta_is_smaller_and_comes_back_within_its_error(finished, hub, tmp_path, calrec_settings):
    tuned = {**calrec_settings, "backbone": str(finished / "checkpoint" / "best"), "learning_rate": 1.0e-3}
    second = run("CALRec", overrides=tuned, show=False).folder
    _, lost = publish(second, REPO, bits=8, endpoint=hub.address)
    assert "checkpoint/best/model.safetensors" not in hub.files
    whole = (second / "checkpoint/best/model.safetensors").stat().st_size
    assert len(hub.files["checkpoint/best/delta.safetensors"]) < 0.6 * whole
    assert f"{lost.of_difference:.2%} of" in hub.files["README.md"].decode()
    fetch(REPO, tmp_path / "back", endpoint=hub.address)
    base, ours = (load_file(folder / "checkpoint/best/model.safetensors") for folder in (finished, second))
    theirs = load_backbone(str(tmp_path / "back/checkpoint/best")).model.state_dict()
    error = sum(float((theirs[name] - ours[name]).square().sum()) for name in ours) ** 0.5
    difference = sum(float((base[name] - ours[name]).square().sum()) for name in ours) ** 0.5
    assert error / difference == pytest.approx(lost.of_difference, rel=0.01)
    assert lost.of_difference < 0.02
    assert not (tmp_path / "back/checkpoint/best/delta.safetensors").exists()
    with pytest.raises(BackboneError, match=r"difference from other weights"):
        fetch(REPO, tmp_path / "other", base=str(second / "checkpoint" / "best"), endpoint=hub.address)
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_pushed_or_pulled_is_told_in_one_line(finished, hub, tmp_path):
    with pytest.raises(DataError, match=r"holds no metrics.json: give the folder of a finished run"):
        publish(tmp_path, REPO, endpoint=hub.address)
    with pytest.raises(ConfigError, match=r"--delta needs a run whose backbone others have, not backbone='scratch'"):
        publish(finished, REPO, bits=4, endpoint=hub.address)
    with pytest.raises(DataError, match=r"holds no metrics.json: it was not pushed by calrec"):
        fetch(REPO, tmp_path / "back", endpoint=hub.address)
    hub.refuses = True
    with pytest.raises(ConfigError, match=r"--repo=lab/run: the hub refuses .*hf auth login") as told:
        publish(finished, REPO, endpoint=hub.address)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "back").exists()


def test_what_others_put_into_a_repository_stays(finished, hub, tmp_path):
    theirs = {".gitattributes": b"* text", "README.md": b"mine", "thesis/model.bin": b"years of work"}
    hub.files.update(theirs)
    with pytest.raises(ConfigError, match=r"--repo=lab/run holds other files \(README.md and 1 more\): .*--replace"):
        publish(finished, REPO, endpoint=hub.address)
    assert hub.files == theirs
    publish(finished, REPO, replace=True, endpoint=hub.address)
    assert "thesis/model.bin" not in hub.files
    hub.files.update({"notes.md": b"mine", "checkpoint/best/delta.safetensors": b"of an earlier push"})
    publish(finished, REPO, endpoint=hub.address)
    assert hub.files["notes.md"] == b"mine"
    assert "checkpoint/best/delta.safetensors" not in hub.files
    with pytest.raises(ConfigError, match=r"--base=x is for a difference, and --repo=lab/run has whole weights"):
        fetch(REPO, tmp_path / "back", base="x", endpoint=hub.address)


def test_a_repository_of_other_data_stays(hub, toys):
    hub.kind = "dataset"
    hub.files.update({"README.md": b"mine", "data.parquet": b"mine"})
    with pytest.raises(ConfigError, match=r"--repo=lab/run holds other files"):
        publish_card(toys, REPO, endpoint=hub.address)
    publish_card(toys, REPO, replace=True, endpoint=hub.address)
    hub.files["Old.prepare.json"] = hub.files.pop("Toys.prepare.json")
    publish_card(toys, REPO, endpoint=hub.address)
    assert sorted(hub.files) == ["README.md", "Toys.prepare.json"]


def test_the_card_of_a_data_set_goes_without_the_data(hub, toys):
    hub.kind = "dataset"
    assert publish_card(toys, REPO, endpoint=hub.address) == f"{hub.address}/{REPO}/commit/{COMMIT}"
    assert hub.created[0]["type"] == "dataset"
    assert sorted(hub.files) == ["README.md", "Toys.prepare.json"]
    assert b"# Toys\n" in hub.files["README.md"]
    hub.refuses = True
    with pytest.raises(ConfigError, match=r"--repo=lab/run: the hub refuses .*hf auth login"):
        publish_card(toys, REPO, endpoint=hub.address)
