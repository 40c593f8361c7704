"""The scores against Lucene itself: a real index in memory, searched by Lucene's own IndexSearcher."""

import doctest
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calrec_recbole.errors import ConfigError
from calrec_recbole.retrieval import LuceneBM25
from calrec_recbole.retrieval.lucene import lucene_bm25 as lucene
from calrec_recbole.retrieval.lucene.analyzer import default_analyzer
from calrec_recbole.retrieval.lucene.java import java_class
from calrec_recbole.retrieval.lucene.lucene_bm25 import kept_length

WORDS = ["red", "blue", "glue", "glues", "tape", "the", "of", "10", "4.5", "Titles", "o'neil's", "😀", "日本"]


class RawLucene:
    """The reference: ``texts`` in a Lucene index; all hits of Pyserini's bag-of-words query with their plain scores."""

    def __init__(self, texts, k1=1.5, b=0.75):
        self.n_items = len(texts)
        directory = java_class("org.apache.lucene.store.ByteBuffersDirectory")()
        similarity = java_class("org.apache.lucene.search.similarities.BM25Similarity")(k1, b)
        self._write(directory, texts, similarity)
        reader = java_class("org.apache.lucene.index.DirectoryReader").open(directory)
        self.searcher = java_class("org.apache.lucene.search.IndexSearcher")(reader.getContext())
        self.searcher.setSimilarity(similarity)
        self.generator = java_class("io.anserini.search.query.BagOfWordsQueryGenerator")()

    def _write(self, directory, texts, similarity):
        config = java_class("org.apache.lucene.index.IndexWriterConfig")(default_analyzer())
        config.setSimilarity(similarity)
        writer = java_class("org.apache.lucene.index.IndexWriter")(directory, config)
        store = java_class("org.apache.lucene.document.Field$Store").NO
        for text in texts:
            document = java_class("org.apache.lucene.document.Document")()
            document.add(java_class("org.apache.lucene.document.TextField")("contents", text, store))
            writer.addDocument(document)
        writer.forceMerge(1)  # document numbers are then the order of writing
        writer.close()

    def scores(self, queries):
        return np.stack([self._scores(query) for query in queries])

    def _scores(self, text):
        query = self.generator.buildQuery("contents", default_analyzer(), text)
        hits = self.searcher.search(query, self.n_items).scoreDocs
        scores = np.zeros(self.n_items, np.float32)
        for hit in hits:  # Java prints a float with the digits that bring it back exactly
            document, score = re.match(r"doc=(\d+) score=(\S+)", hit.toString()).groups()
            scores[int(document)] = np.float32(score)
        return scores


def assert_same_floats(ours, lucenes):
    assert ours.dtype == np.float32
    assert (ours.view(np.int32) == lucenes.view(np.int32)).all()


def test_docstring_example():
    assert doctest.testmod(lucene).failed == 0


def test_equals_lucene_on_the_scientific_catalogue(scientific_texts):
    queries = [*scientific_texts[::230], "", "the of", "Title: Unknown.", "red red red tape"]
    assert_same_floats(LuceneBM25(scientific_texts).scores(queries), RawLucene(scientific_texts).scores(queries))


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (0.0, 0.75), (1.5, 0.0), (2.0, 1.0)])
def test_equals_lucene_on_synthetic_texts(k1, b):
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, length)) for length in [0, 0, 1, 2, 3, 5, 23, 24, 25, 40, 41, 55, 95, 300]]
    queries = [" ".join(rng.choice(WORDS, length)) for length in (1, 2, 4, 8, 60)] + ["", "the", "unheard", texts[-1]]
    assert_same_floats(LuceneBM25(texts, k1, b).scores(queries), RawLucene(texts, k1, b).scores(queries))


@settings(deadline=None, max_examples=15)
@given(st.lists(st.text(st.sampled_from("ab e'.-1é\t"), max_size=12), min_size=1, max_size=6))
def test_equals_lucene_on_any_texts(texts):
    assert_same_floats(LuceneBM25(texts).scores(texts), RawLucene(texts).scores(texts))


def test_kept_length_is_lucenes_byte():
    small_float = java_class("org.apache.lucene.util.SmallFloat")
    lengths = [*range(200), 255, 256, 1_000, 4_095, 65_536, 1_000_003]
    expected = [small_float.byte4ToInt(small_float.intToByte4(length)) for length in lengths]
    assert kept_length(np.array(lengths, np.int32)).tolist() == expected
    assert kept_length(np.array([41, 55, 95], np.int32)).tolist() == [40, 54, 88]


def test_worked_by_hand():
    # equal lengths, tf = 1: idf (1 - 1 / (1 + 1 / 1.5)) = 0.4 idf, idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    scores = LuceneBM25(["red tape", "red glue", "blue pen"]).scores(["red", "red red"])
    assert scores[0].tolist() == pytest.approx([0.4 * np.log(1.6)] * 2 + [0.0], rel=1e-6)
    assert scores[1].tolist() == pytest.approx([0.8 * np.log(1.6)] * 2 + [0.0], rel=1e-6)


def test_items_of_equal_text_count_as_items_and_score_equal(scientific_texts):
    texts = scientific_texts[:50] + scientific_texts[:50]
    scores = LuceneBM25(texts).scores(texts[:5])
    assert (scores[:, :50] == scores[:, 50:]).all()
    assert_same_floats(scores, RawLucene(texts).scores(texts[:5]))


def test_queries_without_a_known_term_are_a_full_tie():
    bm25 = LuceneBM25(["red tape", "", "blue"])
    assert bm25.scores(["", "the of and", "unheard", "\ud83d"]).tolist() == [[0, 0, 0]] * 4


def test_a_corpus_without_terms_or_items():
    assert LuceneBM25(["", "the"]).scores(["red", ""]).tolist() == [[0, 0], [0, 0]]
    assert LuceneBM25([]).scores(["red"]).shape == (1, 0)
    assert LuceneBM25(["red"]).scores([]).shape == (0, 1)


def test_more_terms_than_lucene_allows():
    text = " ".join(f"term{number}" for number in range(1500))
    reference = RawLucene([text, "term3"])
    with pytest.raises(Exception, match="TooManyClauses"):
        reference.scores([text])
    bm25 = LuceneBM25([text, "term3"])
    halves = bm25.scores([" ".join(f"term{n}" for n in range(750)), " ".join(f"term{n}" for n in range(750, 1500))])
    assert bm25.scores([text])[0] == pytest.approx(halves.sum(0), rel=1e-6)


def test_repeated_queries_get_their_rows_in_order():
    bm25 = LuceneBM25(["red tape", "blue glue"])
    assert (bm25.scores(["red", "blue", "red"]) == bm25.scores(["red", "blue"])[[0, 1, 0]]).all()


@pytest.mark.parametrize(
    ("k1", "b", "name"), [(-1, 0.5, "bm25_k1"), (float("nan"), 0.5, "bm25_k1"), (1, 1.1, "bm25_b")]
)
def test_parameters_out_of_range(k1, b, name):
    with pytest.raises(ConfigError, match=name):
        LuceneBM25(["red"], k1, b)


def test_a_string_is_not_a_list_of_texts():
    with pytest.raises(ConfigError, match="texts is one string"):
        LuceneBM25("red tape")
    with pytest.raises(ConfigError, match="queries is one string"):
        LuceneBM25(["red tape"]).scores("red")
