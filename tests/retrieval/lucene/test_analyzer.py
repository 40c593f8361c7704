from hypothesis import given, settings
from hypothesis import strategies as st

from calrec_recbole.retrieval.lucene.analyzer import TEXTS_PER_CALL, analyze, default_analyzer
from calrec_recbole.retrieval.lucene.java import java_class


def one_by_one(texts):
    """The reference: Anserini's own call for one text."""
    analyzer_utils = java_class("io.anserini.analysis.AnalyzerUtils")
    return [list(analyzer_utils.analyze(default_analyzer(), text).toArray()) for text in texts]


def test_stems_stop_words_possessives_and_case():
    assert analyze(["The Painters' brushes", "O'Neil's  RUNNING shoes"]) == [
        ["painter", "brush"],
        ["o'neil", "run", "shoe"],
    ]


def test_texts_without_terms():
    assert analyze([]) == []
    assert analyze(["", "the of", "...", "glue"]) == [[], [], [], ["glue"]]


def test_lone_surrogates_and_surrogate_pairs():
    assert analyze(["glue\ud83d tape", "\ud83d\ude00", "a\0red"]) == [["glue", "tape"], ["😀"], ["red"]]


def test_a_text_that_holds_the_number_used_as_border():
    texts = ["100000000000 glue", "100000000001", "x"]
    assert analyze(texts) == [["100000000000", "glue"], ["100000000001"], ["x"]]


def test_more_texts_than_one_call_takes():
    texts = [f"glue {number}" for number in range(TEXTS_PER_CALL + 3)]
    assert analyze(texts) == [["glue", str(number)] for number in range(TEXTS_PER_CALL + 3)]


def test_equals_pyserini_on_the_scientific_catalogue(scientific_texts):
    texts = scientific_texts[::10]
    assert analyze(texts) == one_by_one(texts)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
def test_equals_pyserini_on_any_texts(texts):
    assert analyze(texts) == one_by_one(texts)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab1,.'’_-\n\u0301\u200d😀日カ\u3000 ", max_size=12), max_size=6))
def test_borders_hold_next_to_marks_digits_and_joiners(texts):
    assert analyze(texts) == one_by_one(texts)
