import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole import fusion
from calrec_recbole.errors import ConfigError, ScoreError
from calrec_recbole.fusion import fuse, quasi_round_robin, scale_rows, unique_predictions
from calrec_recbole.retrieval import OkapiBM25

logprobs_of = st.floats(-200, 0, allow_nan=False)
scores_of = st.floats(0, 100, allow_nan=False, width=32)


class Letters:
    """A retriever with three items: an item's score is how often its letter stands in the query."""

    def __init__(self):
        self.asked = []

    def scores(self, queries):
        self.asked.append(list(queries))
        return np.array([[query.count(letter) for letter in "abc"] for query in queries], np.float32).reshape(-1, 3)


def mean(row):
    return sum(row) / len(row)


def algorithm_1(samples, logprobs, bm25, n_items, n_preds, epsilon, pool=max):
    """The printed algorithm, statement by statement, in plain Python loops; its line numbers on the right."""
    order = sorted(range(len(samples)), key=lambda i: (-logprobs[i], samples[i]))  # 1
    kept = []
    for i in order:  # 2
        if samples[i] not in [samples[j] for j in kept]:
            kept.append(i)
    kept = kept[:n_preds]  # 3-4
    match = [[0.0] * len(kept) for _ in range(n_items)]  # 5
    for column, i in enumerate(kept):  # 6
        raw = bm25(samples[i])  # 7
        low, high = min(raw), max(raw)
        for item in range(n_items):
            scaled = (raw[item] - low) / (high - low) if high > low else 0.0  # 8
            match[item][column] = math.exp(epsilon * logprobs[i]) * scaled  # 9-10
    return [pool(row) if row else 0.0 for row in match]  # 11


def test_docstring_examples():
    assert doctest.testmod(fusion).failed == 0


def test_unique_predictions_sorts_keeps_the_best_of_equal_texts_and_cuts():
    texts, logprobs = unique_predictions(["x", "y", "x", "z", "y"], [-5.0, -2.0, -1.0, -3.0, -9.0], 2)
    assert texts == ["x", "y"]
    assert logprobs.tolist() == [-1.0, -2.0]
    assert logprobs.dtype == np.float64


def test_equal_logprobs_go_by_text_whatever_the_order_of_the_samples():
    assert unique_predictions(["b", "c", "a"], [-1.0, -1.0, -1.0], 2)[0] == ["a", "b"]
    assert unique_predictions(["c", "a", "b"], [-1.0, -1.0, -1.0], 2)[0] == ["a", "b"]


def test_no_samples_leave_no_prediction():
    texts, logprobs = unique_predictions([], [], 10)
    assert (texts, logprobs.shape) == ([], (0,))


def test_worked_by_hand():
    # rows [8, 0, 2] and [1, 5, 3] scale to [1, 0, 1/4] and [0, 1, 1/2]
    fused = quasi_round_robin([[8.0, 0.0, 2.0], [1.0, 5.0, 3.0]], [-1.0, -3.0], epsilon=0.5)
    assert fused.tolist() == pytest.approx(
        [math.exp(-0.5), math.exp(-1.5), max(math.exp(-0.5) / 4, math.exp(-1.5) / 2)]
    )
    assert fused.dtype == np.float64


def test_pooling_and_no_modulation_by_hand():
    # rows scale to [1, 0, 1/4] and [0, 1, 1/2]; epsilon 0 makes every factor 1
    rows, logprobs = [[8.0, 0.0, 2.0], [1.0, 5.0, 3.0]], [-1.0, -3.0]
    assert quasi_round_robin(rows, logprobs, 0.0).tolist() == [1, 1, 1 / 2]
    assert quasi_round_robin(rows, logprobs, 0.0, "mean").tolist() == [1 / 2, 1 / 2, 3 / 8]
    assert quasi_round_robin(rows, logprobs, 0.0, "min").tolist() == [0, 0, 1 / 4]
    assert quasi_round_robin(np.empty((0, 3)), [], 0.0, "min").tolist() == [0, 0, 0]


def test_fuse_pools_as_told():
    samples = [[("aab", -1.0), ("c", -2.0)]]
    assert fuse(Letters(), samples, epsilon=0.0, pooling="mean").tolist() == [[1 / 2, 1 / 4, 1 / 2]]


def test_constant_rows_scale_to_zeros():
    assert scale_rows(np.array([[7.0, 7.0], [0.0, 0.0], [1.0, 3.0]])).tolist() == [[0, 0], [0, 0], [0, 1]]
    assert quasi_round_robin([[7.0, 7.0, 7.0]], [-1.0], 0.1).tolist() == [0, 0, 0]


def test_no_prediction_is_a_full_tie():
    assert quasi_round_robin(np.empty((0, 3)), [], 1 / 5000).tolist() == [0, 0, 0]


def test_items_of_equal_scores_stay_tied_and_near_logprobs_stay_apart():
    scores = np.array([[1.1, 1.1, 0, 0.3], [0, 0, 1.7, 0.3]], np.float32)
    fused = quasi_round_robin(scores, [-5.0, -5.0001], 1 / 5000)
    assert fused[0] == fused[1] > fused[2]  # exp(-2e-8) is 1 in float32


@given(st.data())
def test_equals_the_printed_algorithm(data):
    n_items = data.draw(st.integers(1, 5))
    samples = data.draw(st.lists(st.text("abc", max_size=2), max_size=8))
    logprobs = data.draw(st.lists(logprobs_of, min_size=len(samples), max_size=len(samples)))
    row = st.lists(scores_of, min_size=n_items, max_size=n_items)
    table = {text: data.draw(row) for text in dict.fromkeys(samples)}
    n_preds, epsilon = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([0.0, 1 / 5000, 0.1]))
    texts, kept = unique_predictions(samples, logprobs, n_preds)
    scores = np.array([table[text] for text in texts]).reshape(-1, n_items)
    expected = algorithm_1(samples, logprobs, table.__getitem__, n_items, n_preds, epsilon)
    assert quasi_round_robin(scores, kept, epsilon).tolist() == pytest.approx(expected, rel=1e-15, abs=0)
    for pooling, pool in (("mean", mean), ("min", min)):
        expected = algorithm_1(samples, logprobs, table.__getitem__, n_items, n_preds, epsilon, pool)
        found = quasi_round_robin(scores, kept, epsilon, pooling)
        assert found.tolist() == pytest.approx(expected, rel=1e-14, abs=0)


@given(st.lists(st.lists(scores_of, min_size=4, max_size=4), min_size=1, max_size=5), st.data())
def test_the_best_predictions_best_items_are_on_top(rows, data):
    """Footnote 3: the top-1 of the most probable prediction stays the top-1 of the merged list."""
    scores = np.array(rows)
    logprobs = sorted(data.draw(st.lists(logprobs_of, min_size=len(rows), max_size=len(rows))), reverse=True)
    fused = quasi_round_robin(scores, logprobs, 1 / 5000)
    if np.ptp(scores[0]) > 0:
        assert (fused[scores[0] == scores[0].max()] == fused.max()).all()
    assert ((fused >= 0) & (fused <= 1)).all()


@given(st.lists(st.lists(scores_of, min_size=3, max_size=3), min_size=1, max_size=4))
def test_one_more_prediction_lowers_no_score(rows):
    logprobs = [-float(row) for row in range(len(rows))]
    shorter = quasi_round_robin(np.array(rows[:-1]).reshape(-1, 3), logprobs[:-1], 0.1)
    assert (quasi_round_robin(rows, logprobs, 0.1) >= shorter).all()


def test_fuse_asks_for_each_text_of_a_batch_once_and_serves_every_user():
    retriever = Letters()
    fused = fuse(retriever, [[("aab", -1.0), ("c", -2.0), ("aab", -4.0)], [], [("c", -1.0)]], n_preds=2, epsilon=0.1)
    assert retriever.asked == [["aab", "c"]]
    assert fused.tolist() == [
        pytest.approx([math.exp(-0.1), math.exp(-0.1) / 2, math.exp(-0.2)]),
        [0, 0, 0],
        pytest.approx([0, 0, math.exp(-0.1)]),
    ]


def test_fuse_is_the_same_in_blocks_as_user_by_user():
    rng = np.random.default_rng(0)
    users = [[("".join(rng.choice(list("abc"), 4)), -float(rng.random())) for _ in range(3)] for _ in range(150)]
    together = fuse(Letters(), users)
    assert (together == np.concatenate([fuse(Letters(), [user]) for user in users])).all()


def test_fuse_of_no_users_has_a_column_an_item():
    assert fuse(Letters(), []).shape == (0, 3)


@pytest.mark.parametrize(
    ("scores", "logprobs", "message"),
    [
        ([[float("nan"), 1.0]], [-1.0], "scores hold nan"),
        ([[float("inf"), 1.0]], [-1.0], "scores hold inf"),
        ([[0.0, 1.0]], [float("nan")], "logprobs hold nan"),
        ([[0.0, 1.0]], [-1.0, -2.0], "logprobs have shape"),
        ([0.0, 1.0], [-1.0], "scores have shape"),
    ],
)
def test_scores_that_cannot_be_fused(scores, logprobs, message):
    with pytest.raises(ScoreError, match=message) as caught:
        quasi_round_robin(scores, logprobs, 1 / 5000)
    assert "\n" not in str(caught.value)


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match="epsilon is -1"):
        quasi_round_robin([[0.0, 1.0]], [-1.0], -1)
    with pytest.raises(ConfigError, match=r"pooling='avg' must be one of max, mean, min \(paper: max\)"):
        quasi_round_robin([[0.0, 1.0]], [-1.0], 0.1, "avg")
    with pytest.raises(ConfigError, match="n_preds is 0"):
        unique_predictions(["a"], [-1.0], 0)
    with pytest.raises(ScoreError, match="logprobs hold nan"):
        unique_predictions(["a"], [float("nan")], 1)
    with pytest.raises(ScoreError, match="logprobs have shape"):
        unique_predictions(["a"], [], 1)


def test_fuse_over_bm25_ranks_each_predictions_item_in_turn():
    texts = ["red tape", "blue glue", "green pen", "black ink", "blue glue"]
    fused = fuse(OkapiBM25(texts), [[("green pen", -2.0), ("red tape", -1.0), ("nothing known", -0.5)]])[0]
    assert fused.argsort()[::-1][:2].tolist() == [0, 2]
    assert fused[1] == fused[4] == 0
