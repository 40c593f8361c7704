"""Answers are remembered as long as nothing that they depend on has changed."""

import json

import pytest

from calrec_recbole.comparison import resolution
from calrec_recbole.comparison.resolution import resolve_all


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Answers in the place of RecBole; ``asked`` lists the models that were asked about."""
    data, asked = tmp_path / "A.inter", []

    def answer(requests):
        asked.extend(one["model"] for one in requests)
        return [
            {"error": "no", "unknown": {}}
            if one["model"] == "wrong"
            else {"run_id": one["model"], "files": [str(data), str(tmp_path / "weights")]}
            for one in requests
        ]

    monkeypatch.setattr(resolution, "_ask", answer)
    data.write_text("1")

    def start(*models, files=()):
        requests = [{"model": model, "config_files": list(files), "settings": {}} for model in models]
        return [one.get("run_id", one.get("error")) for one in resolve_all(requests, tmp_path / "memory")]

    start.asked, start.data, start.folder = asked, data, tmp_path
    return start


def test_the_same_question_is_asked_once(ask):
    assert ask("a", "b") == ["a", "b"]
    assert ask("b", "c", "a") == ["b", "c", "a"]
    assert ask.asked == ["a", "b", "c"]


def test_an_error_is_asked_again(ask):
    assert ask("wrong") == ask("wrong") == ["no"]
    assert ask.asked == ["wrong", "wrong"]


def test_other_data_are_another_question(ask):
    ask("a")
    ask.data.write_text("12")
    ask("a")
    (ask.folder / "weights").write_text("now there")
    ask("a")
    ask("a")
    assert ask.asked == ["a", "a", "a"]


def test_another_config_file_is_another_question(ask):
    file = ask.folder / "x.yaml"
    for text in ("epochs: 1", "epochs: 2", "epochs: 2"):
        file.write_text(text)
        ask("a", files=[str(file)])
    assert ask.asked == ["a", "a"]


def test_a_damaged_memory_is_asked_again(ask):
    ask("a")
    for file in (ask.folder / "memory").iterdir():
        file.write_text(json.dumps({"run_id": "old"}))
    assert ask("a") == ["a"]
