"""What a run ran on and what it cost."""

import subprocess
import time

import torch

from calrec_recbole.runs.environment import Cost, commit, environment, peak_memory

CPU = torch.device("cpu")


def test_seconds_of_a_phase_add_up_also_after_an_error():
    cost = Cost()
    for _ in range(2):
        with cost.phase("train"):
            time.sleep(0.05)
    try:
        with cost.phase("data"):
            raise KeyError
    except KeyError:
        assert set(cost.seconds) == {"train", "data"}
    assert 0.1 <= cost.seconds["train"]["wall"] < 5
    assert cost.seconds["train"]["cpu"] <= cost.seconds["train"]["wall"] + 1


def test_versions_device_seed_and_data_are_there():
    found = environment(7, CPU, {"inter": "0a"}, Cost())
    assert found["seed"] == 7
    assert found["data_sha256"] == {"inter": "0a"}
    assert found["devices"]["device"] == "cpu"
    assert found["versions"]["torch"] == torch.__version__
    assert "vllm" not in found["versions"]  # not installed


def test_the_command_is_kept_without_the_passwords_in_it(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/bin/calrec", "tune", "--storage=mysql://me:secret@host/study", "--out=a b"])
    command = environment(7, CPU, {}, Cost())["command"]
    assert command == "calrec tune '--storage=mysql://***@host/study' '--out=a b'"


def test_peak_memory_is_in_mib_and_grows_with_what_is_held():
    before = peak_memory(CPU)["process"]
    held = bytearray(64 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    assert peak_memory(CPU)["process"] >= before
    assert 50 < before < 1 << 20


def test_the_commit_is_that_of_the_checkout_and_says_where_it_was_changed(tmp_path, monkeypatch):
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "somebody")
    git = ["git", "-C", str(tmp_path)]
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "LIR.yaml").write_text("bm25_b: 0.75")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=first"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert commit(tmp_path) == head[:7]
    (tmp_path / "notes.md").write_text("no code")
    assert commit(tmp_path) == head[:7]
    (tmp_path / "configs" / "LIR.yaml").write_text("bm25_b: 0.5")
    assert commit(tmp_path) == f"{head[:7]}+"


def test_the_commit_of_an_installation_is_the_one_that_pip_wrote_down(tmp_path, monkeypatch):
    class Installed:
        def read_text(self, name):
            return '{"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "' + "0123456789" * 4 + '"}}'

    monkeypatch.setattr("calrec_recbole.runs.environment.distribution", lambda name: Installed())
    assert commit(tmp_path) == "0123456"
    monkeypatch.setattr(Installed, "read_text", lambda *_: None)  # from a package index
    assert commit(tmp_path) == ""
