"""The scores against rank_bm25 itself."""

import doctest
import math
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from calrec_recbole.errors import ConfigError
from calrec_recbole.retrieval import ENGINES, LuceneBM25, OkapiBM25, okapi
from calrec_recbole.retrieval.okapi import lower_case_words

texts_of = st.lists(st.text("abcd ", max_size=12), min_size=1, max_size=8)


def rank_bm25_scores(texts, queries, k1=1.5, b=0.75, tokenize=lower_case_words):
    reference = BM25Okapi([tokenize(text) for text in texts], k1=k1, b=b)
    return np.stack([reference.get_scores(tokenize(query)) for query in queries])


def test_docstring_examples():
    assert doctest.testmod(okapi).failed == 0


@pytest.mark.parametrize("tokenize", [lower_case_words, str.split])
def test_equals_rank_bm25_on_the_scientific_catalogue(scientific_texts, tokenize):
    queries = [*scientific_texts[::300], "", "red red red tape", "Title: Title:"]
    ours = OkapiBM25(scientific_texts, tokenize=tokenize).scores(queries)
    assert ours.dtype == np.float64
    assert (ours == rank_bm25_scores(scientific_texts, queries, tokenize=tokenize)).all()


@given(texts_of, texts_of, st.sampled_from([(1.5, 0.75), (0.9, 0.4), (1.2, 0.0)]))
def test_equals_rank_bm25_on_any_texts(texts, queries, parameters):
    if any(text.split() for text in texts):
        ours = OkapiBM25(texts, *parameters).scores(queries)
        assert (ours == rank_bm25_scores(texts, queries, *parameters)).all()


def test_worked_by_hand():
    # five texts of one word: tf part 2.5 / 2.5; idf log(5 - 2 + 0.5) - log(2 + 0.5) and log(4.5) - log(1.5) = log 3
    scores = OkapiBM25(["red", "tape", "red", "pen", "ink"]).scores(["red pen pen"])[0]
    assert scores.tolist() == pytest.approx([math.log(1.4), 0, math.log(1.4), 2 * math.log(3), 0])


def test_a_word_of_most_items_gets_a_quarter_of_the_mean_idf():
    # idf: item log(0.5 / 3.5) < 0, each of three others log(2.5 / 1.5); equal lengths: tf part 1
    mean = (math.log(1 / 7) + 3 * math.log(5 / 3)) / 4
    scores = OkapiBM25(["item red", "item pen", "item ink"]).scores(["item"])
    assert scores[0].tolist() == pytest.approx([0.25 * mean] * 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("หนังสือ ภาษาไทย", ["หนังสือ", "ภาษาไทย"]),
        ("தமிழ்-நூல்", ["தமிழ்", "நூல்"]),
        ("العربيّة, كِتاب", ["العربيّة", "كِتاب"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("Việt Nam", ["việt", "nam"]),
        ("İSTANBUL", ["i\u0307stanbul"]),
        ("\u0301 a\u200d b", ["a", "b"]),
        ("1\ufe0f\u20e3 👨\u200d👩 m³ ½ x_y", ["1", "m³", "½", "x_y"]),
    ],
)
def test_words_of_any_script_keep_their_marks_in_either_normal_form(text, words):
    words = [unicodedata.normalize("NFC", word) for word in words]
    for form in ("NFC", "NFD"):
        assert lower_case_words(unicodedata.normalize(form, text)) == words
    texts = [text, text[: len(text) // 2], "red tape"]
    assert (OkapiBM25(texts).scores([text]) == rank_bm25_scores(texts, [text])).all()


def test_text_without_marks_is_taken_apart_as_by_letters_and_digits():
    ascii_only = "".join(map(chr, range(128))) * 2
    assert lower_case_words(ascii_only) == re.findall(r"\w+", ascii_only.lower())
    letters = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] in "LN"]
    assert all(lower_case_words(one) for one in letters)


def test_texts_without_words():
    assert OkapiBM25(["", "?"]).scores(["red", ""]).tolist() == [[0, 0], [0, 0]]
    assert OkapiBM25([]).scores(["red"]).shape == (1, 0)
    assert OkapiBM25(["red", "pen", "", "ink"], b=1.0).scores(["pen", ""])[:, 2].tolist() == [0, 0]
    assert np.isfinite(OkapiBM25(["red", "pen", "ink"], k1=0.0).scores(["pen"])).all()


def test_repeated_queries_get_their_rows_in_order():
    bm25 = OkapiBM25(["red tape", "blue glue", "pen"])
    assert (bm25.scores(["red", "blue", "red"]) == bm25.scores(["red", "blue"])[[0, 1, 0]]).all()


def test_parameters_out_of_range():
    with pytest.raises(ConfigError, match="bm25_b is 2"):
        OkapiBM25(["red"], b=2)


def test_engines_by_name():
    assert {"lucene": LuceneBM25, "okapi": OkapiBM25} == ENGINES
