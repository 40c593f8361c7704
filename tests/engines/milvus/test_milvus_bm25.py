"""Milvus, embedded, against the exact engine; what goes wrong before it is asked."""

import importlib
import sys

import numpy as np
import pytest

from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.errors import ConfigError
from calrec_recbole.fusion import fuse
from calrec_recbole.retrieval import LuceneBM25

WORDS = ["red", "blue", "green", "glue", "tape", "pen", "ruler", "steel", "paper", "the", "10", "4.5", "box", "pack"]


@pytest.fixture(scope="module", autouse=True)
def milvus():
    pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")


def labelled(number, rng):
    return [f"Title: {' '.join(rng.choice(WORDS, rng.integers(1, 9)))}. Brand: B{n % 7}." for n in range(number)]


@pytest.fixture(scope="module")
def texts():
    """80 texts of like words, every tenth twice, and two without a term."""
    texts = labelled(80, np.random.default_rng(1))
    return [*texts, *texts[::10], "", "the"]


@pytest.fixture(scope="module")
def queries():
    return [*labelled(12, np.random.default_rng(2)), "red red red tape", "", "the", "unheard"]


@pytest.fixture(scope="module")
def exact(texts):
    return LuceneBM25(texts)


@pytest.fixture
def calls(monkeypatch):
    """The rows of each write."""
    found = []
    client = importlib.import_module("pymilvus").MilvusClient
    original = client.upsert
    monkeypatch.setattr(client, "upsert", lambda *given, **named: found.append(given[2]) or original(*given, **named))
    return found


def test_candidates_have_lucenes_very_floats_and_all_others_0(texts, queries, exact):
    whole, found = exact.scores(queries), MilvusBM25(texts, candidates=10).scores(queries)
    assert found.dtype == np.float32
    taken = found != 0
    assert (found[taken].view(np.int32) == whole[taken].view(np.int32)).all()
    distinct = np.unique(np.array(texts), return_inverse=True)[1]
    assert {len(set(distinct[row])) for row in taken[:13]} == {10}  # texts, however many items have them
    assert not taken[13:].any()  # no known term


def test_items_of_equal_text_are_candidates_together(texts, queries):
    scores = MilvusBM25(texts, candidates=5).scores(queries)
    assert (scores[:, 80:88] == scores[:, :80:10]).all()


def test_the_best_items_are_among_the_candidates(texts, queries, exact):
    whole, found = exact.scores(queries), MilvusBM25(texts, candidates=40).scores(queries)
    tenth = np.sort(whole, axis=1)[:, -10, None]
    assert (found == whole)[(whole >= tenth) & (whole > 0)].all()


def test_with_every_text_a_candidate_nothing_differs(texts, queries, exact):
    engine = MilvusBM25(texts, candidates=len(texts))
    assert (engine.scores(queries) == exact.scores(queries)).all()
    users = [[(query, -1.0 - number)] for number, query in enumerate(queries)]
    assert (fuse(engine, users) == fuse(exact, users)).all()


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (0.0, 0.75), (2.0, 1.0)])
def test_other_parameters(texts, queries, k1, b):
    exact, found = (kind(texts, k1, b).scores(queries) for kind in (LuceneBM25, MilvusBM25))
    assert (exact == found).all()


def test_many_queries_and_writes_are_cut(texts, queries, exact, monkeypatch):
    monkeypatch.setattr("calrec_recbole.engines.milvus.collection.VECTORS_A_WRITE", 7)
    monkeypatch.setattr("calrec_recbole.engines.milvus.collection.QUERIES_A_SEARCH", 3)
    assert (MilvusBM25(texts).scores(queries) == exact.scores(queries)).all()


def test_a_second_engine_finds_what_the_first_has_written(texts, queries, exact, calls, tmp_path):
    uri = str(tmp_path / "new" / "catalogue.db")
    first = MilvusBM25(texts, uri=uri)
    assert sum(map(len, calls)) == 80  # each distinct text with a term once
    again = MilvusBM25(texts, uri=uri)
    assert sum(map(len, calls)) == 80
    assert again.collection.name == first.collection.name
    assert (again.scores(queries) == exact.scores(queries)).all()


def test_another_catalogue_or_k1_or_b_has_a_collection_of_its_own(texts, queries, calls, tmp_path):
    uri = str(tmp_path / "catalogue.db")
    given = [(texts, 1.5, 0.75), ([*texts[:-1], "red pen"], 1.5, 0.75), (texts, 0.9, 0.75), (texts, 1.5, 0.4)]
    engines = [MilvusBM25(*one, uri=uri) for one in given]
    assert len({engine.collection.name for engine in engines}) == 4
    assert sum(map(len, calls)) == 4 * 80 + 1
    for one, engine in zip(given, engines, strict=True):
        assert (engine.scores(queries) == LuceneBM25(*one).scores(queries)).all()


def test_a_half_written_collection_is_completed(texts, queries, exact, tmp_path):
    uri = str(tmp_path / "catalogue.db")
    first = MilvusBM25(texts, uri=uri)
    first.collection.client.delete(first.collection.name, ids=list(range(30)))
    assert (MilvusBM25(texts, uri=uri).scores(queries) == exact.scores(queries)).all()


def test_a_temporary_database_goes_with_its_engine(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = MilvusBM25(texts)
    assert len(list(tmp_path.iterdir())) == 1
    del engine
    assert not list(tmp_path.iterdir())


def test_no_items_and_no_queries(texts):
    assert MilvusBM25([]).scores(["red"]).shape == (1, 0)
    assert MilvusBM25(["", "the"]).scores(["red"]).tolist() == [[0, 0]]
    assert MilvusBM25(texts).scores([]).shape == (0, len(texts))


def test_an_address_where_nothing_answers_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("calrec_recbole.engines.milvus.collection.SECONDS", 0.5)
    with pytest.raises(ConfigError, match=r"milvus_uri='http://127.0.0.1:9' cannot be used .*running Milvus") as caught:
        MilvusBM25(["red"], uri="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("candidates", [0, 16_385])
def test_candidates_out_of_range(candidates):
    with pytest.raises(ConfigError, match=f"milvus_candidates={candidates} must lie between 1 and 16384"):
        MilvusBM25(["red"], candidates=candidates)


@pytest.mark.parametrize("package", ["pymilvus", "milvus_lite"])
def test_a_missing_package_is_told_in_one_line(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match="pip install pymilvus milvus-lite, or choose retrieval: lucene") as caught:
        MilvusBM25(["red"])
    assert package.replace("_", "-") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_needs_no_embedded_milvus(monkeypatch):
    monkeypatch.setitem(sys.modules, "milvus_lite", None)
    monkeypatch.setattr("calrec_recbole.engines.milvus.collection.SECONDS", 0.5)
    with pytest.raises(ConfigError, match="cannot be used"):
        MilvusBM25(["red"], uri="http://127.0.0.1:9")


def test_the_environment_logs_in_to_a_server(monkeypatch):
    given = []

    class Refuses:
        def __init__(self, **settings):
            given.append(settings["token"])
            raise OSError("unauthenticated")

    monkeypatch.setattr("pymilvus.MilvusClient", Refuses)
    monkeypatch.setenv("MILVUS_TOKEN", "me:secret")
    with pytest.raises(ConfigError, match=r"cannot be used \(unauthenticated\)"):
        MilvusBM25(["red"], uri="http://127.0.0.1:9")
    assert given == ["me:secret"]
