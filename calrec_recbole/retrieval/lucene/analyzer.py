"""Texts to terms as Pyserini's default English analyzer does it: Lucene's own code, many texts in one Java call."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from calrec_recbole.retrieval.lucene.java import java_class

__all__ = ["analyze", "default_analyzer"]

TEXTS_PER_CALL = 2048  # bounds the size of one string on its way to Java and back


@cache
def default_analyzer() -> Any:
    """Pyserini's default: standard tokens, possessive 's, lower case, Lucene's English stop words, Porter's stems."""
    return java_class("io.anserini.analysis.DefaultEnglishAnalyzer").newStemmingInstance("porter")


def analyze(texts: Sequence[str]) -> list[list[str]]:
    """The terms of every text, in their order; an empty list where a text has none (empty, or stop words only).

    About 20 us a text of 30 words. Lone surrogates, which do not pass to Java, become U+FFFD, which is no term.
    """
    calls = (texts[start : start + TEXTS_PER_CALL] for start in range(0, len(texts), TEXTS_PER_CALL))
    return [terms for call in calls for terms in _analyze_joined([_valid_unicode(text) for text in call])]


def _analyze_joined(texts: Sequence[str]) -> Iterator[list[str]]:
    """One Java call for all ``texts``: after each stands a line that holds only a number found in none of them.

    A term never crosses a line end nor holds a space, and a number is a term of its own, unchanged; so the number's
    places among the terms are the borders.
    """
    border = _absent_number(texts)
    analyzer_utils = java_class("io.anserini.analysis.AnalyzerUtils")
    java_list = analyzer_utils.analyze(default_analyzer(), f"\n{border}\n".join([*texts, ""]))
    terms: list[str] = []
    for term in java_list.toString()[1:-1].split(", "):  # Java writes a list as "[a, b]"
        if term == border:
            yield terms
            terms = []
        else:
            terms.append(term)


def _absent_number(texts: Sequence[str]) -> str:
    """A number of twelve digits that stands in no text."""
    number = 10**11
    while any(str(number) in text for text in texts):
        number += 1
    return str(number)


def _valid_unicode(text: str) -> str:
    """``text`` with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
