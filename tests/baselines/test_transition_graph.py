"""The graph of items against loops over the training rows."""

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.retrieval.okapi import lower_case_words

SETTINGS = {"retrieval": "okapi", "graph_items": 2, "graph_decay": 0.5, "two_hops": 0.25, "text_weight": 0.5}


def built(settings):
    prepared = prepare(Config("TransitionGraph", config_dict=settings))
    data = prepared.loaders
    return prepared, data, build_model(prepared.config, data.train.dataset)


def by_loops(prepared):
    """Shares of what followed each item, from RecBole's own training rows: the last of a history, then the target."""
    rows, n_items = prepared.splits[0].inter_feat, prepared.dataset.item_num
    counts = np.zeros((n_items, n_items))
    for history, length, target in zip(
        rows["item_id_list"].tolist(), rows["item_length"].tolist(), rows["item_id"].tolist(), strict=True
    ):
        counts[history[length - 1], target] += 1
    sums = counts.sum(axis=1, keepdims=True)
    return counts / np.where(sums > 0, sums, 1)


def test_arrows_are_the_steps_of_the_training_rows(tiny_settings):
    prepared, _, _ = built({**tiny_settings, **SETTINGS})
    found = prepared.events.transitions(prepared.dataset.item_num).toarray()
    np.testing.assert_allclose(found, by_loops(prepared), atol=1e-15)
    assert found.any()


def test_scores_are_hops_and_texts_added_by_hand(tiny_settings):
    prepared, data, model = built({**tiny_settings, **SETTINGS})
    share = by_loops(prepared)
    reference = BM25Okapi([lower_case_words(text) for text in model.texts])
    for batch in data.test:
        scores = model.full_sort_predict(batch[0]).numpy()
        histories, lengths = batch[0]["item_id_list"].tolist(), batch[0]["item_length"].tolist()
        for row, (history, length) in enumerate(zip(histories, lengths, strict=True)):
            newest = history[:length][::-1][:2]
            weights = [1.0, 0.5][: len(newest)]
            hops = sum(w * (share[i] + 0.25 * share[i] @ share) for w, i in zip(weights, newest, strict=True))
            text = reference.get_scores(lower_case_words(model.texts[newest[0] - 1]))
            expected = hops[1:] / sum(weights) + 0.5 * text / text.max()
            np.testing.assert_allclose(scores[row, 1:], expected, atol=1e-12)
            assert scores[row, 0] == -np.inf


def test_without_texts_no_item_file_is_read(tiny_settings, tiny_dataset):
    (tiny_dataset / "Tiny" / "Tiny.item").unlink()
    assert run("TransitionGraph", overrides={**tiny_settings, "text_weight": 0.0}, show=False).test


def test_a_range_is_named(tiny_settings):
    with pytest.raises(ConfigError, match="graph_decay=2 must be at most 1"):
        run("TransitionGraph", overrides={**tiny_settings, "graph_decay": 2}, show=False)
