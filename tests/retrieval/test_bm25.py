"""What the BM25 engines share, with an engine that counts equal words."""

import numpy as np
import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.retrieval.bm25 import BM25


class Counting(BM25):
    """The number of words of a query that are a word of the text."""

    def __init__(self, texts, **parameters):
        super().__init__(texts, **parameters)
        self.texts, self.asked = texts, []

    def _score(self, queries):
        self.asked += queries
        rows = [[sum(word in text.split() for word in query.split()) for text in self.texts] for query in queries]
        return np.array(rows, float).reshape(len(rows), len(self.texts))


def test_each_distinct_query_is_scored_once_and_rows_keep_their_order():
    engine = Counting(["red glue", "blue tape", "red tape"])
    scores = engine.scores(["red", "tape blue", "red"])
    assert scores.tolist() == [[1, 0, 1], [0, 2, 1], [1, 0, 1]]
    assert engine.asked == ["red", "tape blue"]


def test_no_query_is_no_row():
    assert Counting(["red"]).scores([]).shape == (0, 1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k1": -0.1}, "bm25_k1 is -0.1: it must be 0 or more"),
        ({"k1": float("inf")}, "bm25_k1 is inf"),
        ({"b": 1.1}, "bm25_b is 1.1: it must lie between 0 and 1"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Counting(["red"], **parameters)


def test_one_string_is_no_list_of_texts_or_queries():
    with pytest.raises(ConfigError, match="texts is one string"):
        Counting("red")
    with pytest.raises(ConfigError, match="queries is one string"):
        Counting(["red"]).scores("red")
