"""The engine that the settings name, over the item texts."""

from collections.abc import Iterable, Sequence
from typing import Any

from calrec_recbole.catalogue import Catalogue
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.fusion import Retriever
from calrec_recbole.retrieval import BM25, ENGINES, HierarchicalMatch

__all__ = ["HIERARCHICAL", "bm25_of", "retriever_of"]

HIERARCHICAL = "hierarchical"  # paper 6


def retriever_of(config: Any, catalogue: Catalogue) -> Retriever:
    """What finds the items of a generated text: a BM25 engine, or the exact matches of section 6."""
    if config["retrieval"] == HIERARCHICAL:
        return HierarchicalMatch(catalogue.texts, catalogue.template)
    _check(config["retrieval"], [*ENGINES, HIERARCHICAL])
    return bm25_of(config, catalogue.texts)


def bm25_of(config: Any, texts: Sequence[str]) -> BM25:
    """``retrieval``, ``bm25_k1`` and ``bm25_b`` of ``config`` over ``texts``; for ``lucene`` this starts Java."""
    _check(config["retrieval"], ENGINES)
    return ENGINES[config["retrieval"]](texts, k1=config["bm25_k1"], b=config["bm25_b"])


def _check(name: Any, known: Iterable[str]) -> None:
    if name not in known:
        raise ConfigError(f"retrieval={name!r} must be one of {', '.join(known)}{did_you_mean(str(name), known)}")
