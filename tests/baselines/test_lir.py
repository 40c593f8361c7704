import numpy as np
import pandas as pd
import pytest
from rank_bm25 import BM25Okapi

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.retrieval.okapi import lower_case_words

LAST_BEFORE_TEST = {"u0": "e", "u1": "d", "u2": "f", "u3": "c", "u4": "d", "u5": "g", "u6": "b", "u7": "b"}


def built(settings):
    config = Config("LIR", config_dict=settings)
    prepared = prepare(config)
    dataset, data = prepared.dataset, prepared.loaders
    return dataset, data, build_model(config, data.train.dataset)


def test_scores_are_rank_bm25s_for_the_last_items_text(tiny_settings):
    dataset, data, model = built({**tiny_settings, "retrieval": "okapi"})
    reference = BM25Okapi([lower_case_words(text) for text in model.texts])
    ids = dataset.field2token_id["item_id"]
    for batch in data.test:
        scores = model.full_sort_predict(batch[0]).numpy()
        for row, user in enumerate(dataset.field2id_token["user_id"][batch[0]["user_id"]]):
            query = model.texts[ids[LAST_BEFORE_TEST[user]] - 1]
            assert scores[row, 0] == -np.inf
            assert scores[row, 1:].tolist() == reference.get_scores(lower_case_words(query)).tolist()


@pytest.mark.parametrize("engine", ["okapi", "lucene"])
def test_equal_texts_tie_and_the_last_item_is_a_candidate(engine, tiny_settings):
    """u6 bought b last: b and its twin h share the first place, before every target."""
    dataset, data, model = built({**tiny_settings, "retrieval": engine})
    ids = dataset.field2token_id["item_id"]
    batch = next(iter(data.test))[0]
    scores = model.full_sort_predict(batch)[batch["user_id"] == dataset.field2token_id["user_id"]["u6"]][0]
    assert scores[ids["b"]] == scores[ids["h"]] == scores.max()
    assert (scores == scores.max()).sum() == 2


@pytest.mark.parametrize("engine", ["okapi", "lucene"])
def test_a_target_with_the_last_items_text_is_first_or_second(engine, tiny_settings, tiny_dataset):
    """u9 buys b and then its twin h: two items of equal, best score."""
    file = tiny_dataset / "Tiny" / "Tiny.inter"
    events = "".join(f"u9\t{item}\t{1_600_000_000 + 1000 * place}\n" for place, item in enumerate("acebh"))
    file.write_text(file.read_text() + events)
    folder = run("LIR", overrides={**tiny_settings, "retrieval": engine}, show=False).folder
    ranks = pd.read_parquet(folder / "ranks.parquet").set_index("user_id").loc["u9"]
    assert (ranks["item_id"], ranks["optimistic"], ranks["pessimistic"]) == ("h", 1, 2)


def test_an_unknown_engine_is_named(tiny_settings):
    with pytest.raises(
        ConfigError, match=r"retrieval='lucen' must be one of lucene, okapi, milvus; did you mean 'lucene'"
    ):
        run("LIR", overrides={**tiny_settings, "retrieval": "lucen"}, show=False)


def test_wrong_parameters_are_named(tiny_settings):
    with pytest.raises(ConfigError, match="bm25_b"):
        run("LIR", overrides={**tiny_settings, "retrieval": "okapi", "bm25_b": 2.0}, show=False)
