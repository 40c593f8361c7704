"""``retrieval: milvus`` by its settings."""

import sys

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.runner import run
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.runs.run_folder import run_id

OF_MILVUS = {"milvus_uri": "", "milvus_candidates": 200}


@pytest.fixture
def milvus():
    pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")


def test_a_run_over_milvus_has_the_numbers_of_lucene(milvus, tiny_settings, tmp_path):
    lucene, milvus = (
        run("LIR", overrides={**tiny_settings, "retrieval": name, "milvus_uri": str(tmp_path / "items.db")}, show=False)
        for name in ("lucene", "milvus")
    )
    assert milvus.test == lucene.test  # all seven texts are candidates
    assert milvus.folder != lucene.folder
    assert (tmp_path / "items.db").exists()


def test_a_missing_package_is_told_before_the_data_are_read(tiny_settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.setattr("calrec_recbole.plugin.data.prepared.read_dataset", None)
    with pytest.raises(
        ConfigError, match=r"retrieval=milvus needs the package pymilvus .*pip install pymilvus milvus-lite"
    ):
        run("LIR", overrides={**tiny_settings, "retrieval": "milvus"}, show=False)


def test_runs_without_milvus_keep_their_ids():
    def id_of(**milvus):
        return run_id({"seed": 7, "retrieval": "lucene", **milvus}, {}, [RetrievalSettings])

    assert id_of() == id_of(**OF_MILVUS) == id_of(**OF_MILVUS | {"milvus_uri": "http://localhost:19530"})
    assert id_of() != id_of(**OF_MILVUS | {"milvus_candidates": 20})


def test_a_password_does_not_stand_among_the_settings():
    RetrievalSettings(milvus_uri="/data/me@work/items.db")
    with pytest.raises(ConfigError, match=r"milvus_uri=http://\*\*\*@host:1 .*give it as MILVUS_TOKEN=") as told:
        RetrievalSettings(milvus_uri="http://me:secret@host:1")
    assert "secret" not in str(told.value)
