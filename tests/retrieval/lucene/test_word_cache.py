import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calrec_recbole.retrieval.lucene import word_cache as lexicon
from calrec_recbole.retrieval.lucene.analyzer import analyze
from calrec_recbole.retrieval.lucene.word_cache import Lexicon
from calrec_recbole.retrieval.postings import index


def assert_whole_texts(texts):
    """Word by word, Lucene's terms are those of the whole texts."""
    words = Lexicon(analyze)
    postings, expected = words.index(texts), index(analyze(texts))
    assert postings.vocabulary == expected.vocabulary
    for name in ("starts", "documents", "frequencies", "lengths"):
        np.testing.assert_array_equal(getattr(postings, name), getattr(expected, name))
    starts, terms = words.terms(texts)
    rows = [terms[start:stop].tolist() for start, stop in itertools.pairwise(starts)]
    assert rows == [[expected.vocabulary[term] for term in own] for own in analyze(texts)]


def test_by_hand():
    words = Lexicon(lambda texts: [text.lower().split("-") if text else [] for text in texts])
    postings = words.index(["Red-Pen  red", "", "ink Red-Pen"])
    assert postings.vocabulary == {"red": 0, "pen": 1, "ink": 2}
    assert postings.lengths.tolist() == [3, 0, 3]
    assert postings.documents.tolist() == [0, 2, 0, 2, 2]
    assert postings.frequencies.tolist() == [2, 1, 1, 1, 1]
    starts, terms = words.terms(["pen-glue", "ink red ink"])  # glue is no term of the index
    assert (starts.tolist(), terms.tolist()) == ([0, 1, 4], [1, 2, 0, 2])


def test_no_texts():
    words = Lexicon(analyze)
    assert words.index([]).starts.tolist() == [0]
    assert [array.tolist() for array in words.terms([])] == [[0], []]


def test_a_word_is_analysed_once():
    calls = []
    words = Lexicon(lambda texts: calls.append(texts) or [[text] for text in texts])
    words.index(["red pen", "pen red"])
    words.terms(["pen ink", "ink red"])
    assert calls == [["red", "pen"], ["ink"]]


def test_threads_that_meet_the_same_new_words():
    def slow(texts):
        time.sleep(0.02)
        return [text.split("-") for text in texts]

    words = Lexicon(slow)
    words.index(["red pen", "ink tape blue"])
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(words.terms, [text]) for text in ["red-x pen-y", "pen-y red-x", "red-x pen-y", "tape-y"]]
    assert [one.result()[1].tolist() for one in asked] == [[0, 1], [1, 0], [0, 1], [3]]
    assert words.terms(["tape-y blue-z", "red-x"])[1].tolist() == [3, 4, 0]


def test_words_beyond_the_limit_are_forgotten(monkeypatch):
    monkeypatch.setattr(lexicon, "MOST_WORDS", 3)
    monkeypatch.setattr(lexicon, "TEXTS_AT_ONCE", 2)
    words = Lexicon(lambda texts: [[text] for text in texts])
    words.index(["a b", "c d"])
    for _ in range(3):
        starts, terms = words.terms(["d x", "y a", "z b", "c c"])
        assert (starts.tolist(), terms.tolist()) == ([0, 1, 2, 3, 5], [3, 0, 1, 2, 2])


def test_equals_lucene_on_whole_texts_of_the_scientific_catalogue(scientific_texts):
    assert_whole_texts(scientific_texts)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
def test_equals_lucene_on_any_texts(texts):
    assert_whole_texts(texts)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.text("ab1,.'’_-\n\t\u00a0\u202f\u0301\u200d\u00ad🇩👩😀日カก\u3000    ", max_size=14), max_size=6))
def test_equals_lucene_where_marks_joiners_and_other_spaces_stand_next_to_a_space(texts):
    assert_whole_texts(texts)


def test_terms_longer_than_lucene_takes():
    assert_whole_texts(["x" * 254 + " a", "b " + "x" * 256, "c " + "y" * 700 + " d", "1" * 300 + " " + "z" * 255])
