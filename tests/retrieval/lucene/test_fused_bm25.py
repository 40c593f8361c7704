"""Algorithm 1 with folded common words against Algorithm 1 over the plain scores, bit by bit."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.fusion import fuse, fuse_rank_counts, quasi_round_robin, unique_predictions
from calrec_recbole.retrieval import LuceneBM25
from calrec_recbole.retrieval.lucene import fused_bm25 as folding

EPSILON = 1 / 5000
WORDS = ["title", "price", "red", "blue", "glue", "tape", "the", "pen", "ink"]
ITEMS = [f"title {word} {other} price" for word in WORDS for other in WORDS] + ["", "title title red", "glue"]

texts = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def plain(engine, predictions, epsilon=EPSILON, n_preds=10):
    """Algorithm 1 a user at a time, over the scores of all items."""
    rows = []
    for user in predictions:
        drawn, logprobs = unique_predictions([text for text, _ in user], [nats for _, nats in user], n_preds)
        scores = engine.scores(drawn) if drawn else np.zeros((0, len(ITEMS)))
        rows.append(quasi_round_robin(scores, logprobs, epsilon))
    return np.stack(rows)


def assert_same_floats(left, right):
    assert left.dtype == right.dtype == np.float64
    np.testing.assert_array_equal(left.view(np.int64), right.view(np.int64))


@pytest.fixture(params=[(0.1, 100), (0.5, 100), (1.0, 100), (0.5, 1)], scope="module")
def engine(request):
    """With all words folded, with the labels alone, and with none; items by two bytes, or by four."""
    engine, (common, small) = LuceneBM25(ITEMS), request.param
    with mock.patch.multiple(folding, COMMON=common, SMALL=small):
        assert engine.fused_bm25.item_type == (np.uint16 if small == 100 else np.uint32)
    return engine


def assert_stand(counts, scores, items):
    """``counts`` of ``items`` (n_users, M) among ``scores`` (n_users, n_items), counted in plain loops."""
    for user, row in enumerate(scores):
        for place, item in enumerate(items[user]):
            assert counts.scores[user, place] == row[item]
            assert counts.greater[user, place] == sum(score > row[item] for score in row)
            assert counts.equal[user, place] == sum(score == row[item] for score in row)


def test_the_common_words_are_those_of_a_tenth_of_the_items():
    engine = LuceneBM25([f"title w{number} {'red' if number < 3 else ''}" for number in range(20)])
    vocabulary = engine.postings.vocabulary
    assert set(engine.fused_bm25.common) == {vocabulary["titl"], vocabulary["red"]}
    # with red or without, and by length in terms
    assert sorted(np.bincount(engine.fused_bm25.classes.of_item).tolist()) == [3, 17]


def test_by_hand_on_texts_that_follow_the_template_and_some_that_do_not(engine):
    predictions = [
        [("title red glue price", -1.0), ("title blue price", -2.5), ("title red glue price", -3.0)],
        [("red", -0.1), ("title title red", -0.2), ("price", -7.0)],  # other numbers of the common words
        [("", -1.0), ("the", -2.0), ("unknown", -3.0)],  # full ties
        [],
        [("title price", -1.0)],  # common words alone
    ]
    found = fuse(engine, predictions)
    assert_same_floats(found, plain(engine, predictions))
    assert (found[[2, 3]] == 0).all()
    assert found[4].max() > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(texts, st.floats(-300, 0)), max_size=5), min_size=1, max_size=4))
def test_any_predictions_of_any_users(engine, predictions):
    assert_same_floats(fuse(engine, predictions), plain(engine, predictions))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(texts, min_size=1, max_size=30),
    st.lists(st.tuples(texts, st.floats(-30, 0)), min_size=1, max_size=5),
    st.floats(0, 1),
    st.sampled_from([0.0, 1.5, 1e9]),  # the second adds nothing, as the third nearly does
    st.sampled_from([0.1, 0.4, 1.0]),
)
def test_any_catalogue(catalogue, user, b, k1, common):
    engine = LuceneBM25(catalogue, k1, b)
    with mock.patch.object(folding, "COMMON", common):
        assert engine.fused_bm25
    drawn, logprobs = unique_predictions([text for text, _ in user], [nats for _, nats in user])
    expected = quasi_round_robin(engine.scores(drawn), logprobs)
    assert_same_floats(fuse(engine, [user]), expected[None])


def test_more_users_than_are_taken_at_once_and_no_user(engine):
    rng = np.random.default_rng(0)
    predictions = [[(" ".join(rng.choice(WORDS, 4)), float(nats)) for nats in -rng.random(12) * 50] for _ in range(150)]
    assert_same_floats(fuse(engine, predictions), plain(engine, predictions))
    assert fuse(engine, []).shape == (0, len(ITEMS))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(texts, st.floats(-300, 0)), max_size=5), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, len(ITEMS) - 1), st.integers(0, len(ITEMS) - 1)), min_size=4, max_size=4),
)
def test_standings_of_any_predictions(engine, predictions, items):
    asked = np.array(items[: len(predictions)])
    assert_stand(fuse_rank_counts(engine, predictions, asked), plain(engine, predictions), asked)


def test_no_user_stands_anywhere(engine):
    assert fuse_rank_counts(engine, [], np.zeros((0, 2), np.int64)).greater.shape == (0, 2)


@pytest.mark.parametrize("items", [[[84]], [[-1]], [0], [[0], [1]]])
def test_items_that_are_none_of_the_catalogue_s_or_of_another_shape_are_refused(engine, items):
    assert len(ITEMS) == 84
    with pytest.raises(ScoreError, match=r"items (have shape|lie from)"):
        fuse_rank_counts(engine, [[("red", -1.0)]], np.array(items))


def test_words_are_common_only_as_long_as_classes_are_few(monkeypatch):
    monkeypatch.setattr(folding, "FEW", 1)
    rng = np.random.default_rng(0)
    catalogue = [" ".join(["title", *rng.choice(WORDS[2:6], 3)]) for _ in range(64)]  # eight classes at most
    engine = LuceneBM25(catalogue)
    assert [*engine.fused_bm25.common[:1]] == [engine.postings.vocabulary["titl"]]
    assert 1 < len(engine.fused_bm25.classes.starts) - 1 <= 8
    assert (
        (engine.fused_bm25.row >= 0).sum()
        == len(engine.fused_bm25.common)
        < (engine.fused_bm25.frequencies > 6.4).sum()
    )
    drawn, logprobs = unique_predictions(["title red glue", "blue tape"], [-1.0, -2.0])
    expected = quasi_round_robin(engine.scores(drawn), logprobs)
    assert_same_floats(fuse(engine, [[*zip(drawn, logprobs, strict=True)]]), expected[None])


def test_users_in_blocks_are_the_same(engine, monkeypatch):
    rng = np.random.default_rng(1)
    predictions = [[(" ".join(rng.choice(WORDS, 5)), float(nats)) for nats in -rng.random(7)] for _ in range(9)]
    items = rng.integers(len(ITEMS), size=(9, 2))
    whole = fuse(engine, predictions)
    monkeypatch.setattr(folding, "AT_ONCE", 1)  # a block a user
    assert_same_floats(fuse(engine, predictions), whole)
    assert_stand(fuse_rank_counts(engine, predictions, items), whole, items)


def test_a_negative_epsilon_is_refused(engine):
    with pytest.raises(ConfigError, match="epsilon is -1"):
        fuse(engine, [[("red", -1.0)]], epsilon=-1)
