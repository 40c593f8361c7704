import numpy as np

from calrec_recbole.retrieval.postings import flatten, index


def test_worked_by_hand():
    postings = index([["red", "pen", "red"], [], ["ink", "red"]])
    assert postings.vocabulary == {"red": 0, "pen": 1, "ink": 2}
    assert postings.starts.tolist() == [0, 2, 3, 4]
    assert postings.documents.tolist() == [0, 2, 0, 2]
    assert postings.frequencies.tolist() == [2, 1, 1, 1]
    assert postings.lengths.tolist() == [3, 0, 2]
    assert postings.document_frequencies.tolist() == [2, 1, 1]


def test_known_keeps_order_and_repeats():
    assert index([["red", "pen"]]).known(["pen", "ink", "red", "pen"]) == [1, 0, 1]


def test_no_documents():
    postings = index([])
    assert (postings.starts.tolist(), postings.lengths.shape) == ([0], (0,))


def test_flatten():
    starts, values = flatten([[3, 1], [], [2]])
    assert (starts.tolist(), values.tolist()) == ([0, 2, 2, 3], [3, 1, 2])
    assert values.dtype == np.int64
