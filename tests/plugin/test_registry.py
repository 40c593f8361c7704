import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.registry import (
    OF_A_GRAPH,
    OURS,
    TRAINERS,
    known_bases,
    known_model,
    known_models,
    model_class,
    recbole_models,
    trained_on_events,
)


def test_ours_shadow_no_model_of_recbole():
    folder = Path(importlib.util.find_spec("recbole").submodule_search_locations[0]) / "model"
    theirs = {file.stem for file in folder.rglob("*.py")}
    assert "sasrec" in theirs
    assert not {name.lower() for name in OURS} & theirs


def test_recboles_models_are_recboles_own_classes():
    from recbole.utils import ModelType, get_model

    found = recbole_models()
    assert {"SASRec", "BERT4Rec", "GRU4Rec", "S3Rec", "FDSA", "Pop", "BPR", "LightGCN", "ItemKNN"} <= set(found)
    kinds = Counter(address.split(".")[2] for address in found.values())
    assert kinds == {"sequential_recommender": 31, "general_recommender": 33}  # of RecBole 1.2.1
    for name in {*found} - {*OF_A_GRAPH}:
        assert model_class(name) is get_model(name)
        assert trained_on_events(model_class(name)) is (model_class(name).type is not ModelType.SEQUENTIAL)


def test_loading_a_model_leaves_torchs_anomaly_detection_as_it_was():
    """In a process of its own: RecBole's SINE turns it on when it is first imported."""
    code = (
        "import torch; from calrec_recbole.plugin.registry import model_class; model_class('SASRec'); "
        "import sys; assert 'recbole.model.sequential_recommender.sine' in sys.modules; "
        "sys.exit(torch.is_anomaly_enabled())"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_ours_come_first():
    assert known_models()[: len(OURS)] == list(OURS)
    assert set(TRAINERS) <= set(known_models())


@pytest.mark.parametrize(
    ("name", "nearest"), [("sasrec", "SASRec"), ("CALRek", "CALRec"), ("lir", "LIR"), ("GRU4Re", "GRU4Rec")]
)
def test_an_unknown_model_names_the_nearest(name, nearest):
    with pytest.raises(ConfigError, match=f"model='{name}' is unknown; did you mean '{nearest}'"):
        model_class(name)


def test_a_model_far_from_all_names_all():
    with pytest.raises(ConfigError, match=r"known: CALRec, LIR, .*TransRec.*"):
        model_class("qqqqqq")


@pytest.mark.parametrize(("name", "kind"), [("DeepFM", "context-aware"), ("kgat", "knowledge-aware")])
def test_a_model_of_another_kind_of_recboles_is_told_apart(name, kind):
    with pytest.raises(ConfigError, match=f"model='{name}' is one of RecBole's {kind} models.*take a sequential one"):
        known_model(name)


@pytest.mark.parametrize("name", OF_A_GRAPH)
def test_a_model_that_needs_a_knowledge_graph_says_so(name):
    with pytest.raises(
        ConfigError, match=rf"model='{name}' needs embeddings of a knowledge graph \(.ent\) and does not"
    ):
        model_class(name)
    assert name not in known_models()


def test_what_a_class_derives_from_is_known_by_its_class_not_by_its_name():
    sasrec = model_class("SASRec")
    assert known_bases(model_class("SASRecSampled")) == ["SASRecSampled", "SASRec"]
    assert known_bases(type("SASRec", (sasrec,), {"__module__": "elsewhere"})) == ["SASRec"]
    assert known_bases(type("SASRec", (), {})) == []
