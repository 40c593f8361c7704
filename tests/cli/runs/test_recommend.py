"""`calrec recommend` with a run that is there at once."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from calrec_recbole.cli.calrec import main
from calrec_recbole.plugin import reload
from calrec_recbole.recommender import Recommendation

FOUND = [
    Recommendation("b", "Title: Tape.", 0.75, "Title: Tape.", -1.5),
    Recommendation("c", "[Pen]", 0.5, "Pen", -2.0),
]


@pytest.fixture
def asked(monkeypatch):
    """What the recommender was asked for."""
    calls = []

    def recommend(history, k, seed, as_texts):
        calls.append((history, k, seed, as_texts))
        return FOUND[:k]

    model = SimpleNamespace(recommender=SimpleNamespace(recommend=recommend), reranker=None)
    monkeypatch.setattr(reload, "load_run", lambda folder, data_path: (None, model))
    return calls


def test_a_history_of_ids_gives_a_table(asked, capsys):
    assert main(["recommend", "--run=here", "--history=a, b,", "--seed=3"]) == 0
    assert asked == [(["a", "b"], 10, 3, False)]
    told = capsys.readouterr().out
    assert all(words in told for words in ("0.7500", "the same text", "[Pen]", "-2.00"))


def test_the_data_may_lie_elsewhere_by_now(asked, monkeypatch):
    given = []
    load = reload.load_run
    monkeypatch.setattr(reload, "load_run", lambda *where: given.append(where) or load(*where))
    assert main(["recommend", "--run=here", "--history=a", "--data_path=/data"]) == 0
    assert given == [(Path("here"), Path("/data"))]


def test_free_texts_and_json(asked, capsys):
    assert main(["recommend", "--run=here", "--text=glue, red", "--text=tape", "--top=1", "--json"]) == 0
    assert asked == [(["glue, red", "tape"], 1, 0, True)]
    assert json.loads(capsys.readouterr().out) == [vars(FOUND[0])]


def test_no_item_and_no_place_are_refused_in_one_line(asked, capsys):
    assert main(["recommend", "--run=here", "--history=a", "--top=0"]) == 2
    assert "--top=0 must be at least 1" in capsys.readouterr().err
    assert main(["recommend", "--run=here", "--history=a", "--out=x.parquet"]) == 2
    assert "--out takes the lists of users" in capsys.readouterr().err
