"""The engine that the settings name, over the item texts."""

from collections.abc import Sequence
from typing import Any, NoReturn

from calrec_recbole.catalogue import Catalogue
from calrec_recbole.engines.milvus.collection import check_milvus
from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.fusion import Retriever
from calrec_recbole.reranking.rerank_settings import TEXTS, RerankSettings
from calrec_recbole.retrieval import BM25, ENGINES, HierarchicalMatch
from calrec_recbole.retrieval.engine_settings import RetrievalSettings
from calrec_recbole.retrieval.lucene.java import check_java

__all__ = ["HIERARCHICAL", "NONE", "RERANK", "bm25_of", "check_engines", "retriever_of"]

HIERARCHICAL = "hierarchical"  # paper 6
RERANK = "rerank"  # paper 6: see plugin.reranking
MILVUS = "milvus"
LUCENE = "lucene"
BM25_ENGINES: dict[str, type[BM25]] = {**ENGINES, MILVUS: MilvusBM25}
NONE = "none"  # trains and samples; ranks are for later, or for another machine


class NoRetriever:
    """Refuses to score: with ``retrieval: none`` there is no engine, and no Java."""

    def scores(self, queries: Sequence[str]) -> NoReturn:
        raise ConfigError(
            f"retrieval={NONE} ranks nothing: complete the run by calrec rank --run=DIR --retrieval=lucene, or set "
            "retrieval"
        )


def retriever_of(settings: RetrievalSettings, rerank: RerankSettings, catalogue: Catalogue) -> Retriever:
    """What finds the items of a generated text: a BM25 engine, or the exact matches of section 6."""
    if settings.retrieval == RERANK and rerank.rerank_by == TEXTS:
        must_be_one_of("rerank_engine", rerank.rerank_engine, BM25_ENGINES)
        return _bm25(rerank.rerank_engine, settings, catalogue.texts)
    if settings.retrieval in (HIERARCHICAL, RERANK):  # by log-probability nothing is looked for: no Java
        return HierarchicalMatch(catalogue.texts, catalogue.template)
    if settings.retrieval == NONE:
        return NoRetriever()
    must_be_one_of("retrieval", settings.retrieval, [*BM25_ENGINES, HIERARCHICAL, RERANK, NONE])
    return bm25_of(settings, catalogue.texts)


def bm25_of(settings: RetrievalSettings, texts: Sequence[str]) -> BM25:
    """The engine that ``retrieval`` names over ``texts``; ``lucene`` starts Java."""
    must_be_one_of("retrieval", settings.retrieval, BM25_ENGINES)
    return _bm25(settings.retrieval, settings, texts)


def _bm25(engine: str, settings: RetrievalSettings, texts: Sequence[str]) -> BM25:
    own = _milvus(settings) if engine == MILVUS else {}
    return BM25_ENGINES[engine](texts, k1=settings.bm25_k1, b=settings.bm25_b, **own)


def check_engines(settings: RetrievalSettings, rerank: RerankSettings) -> None:
    """Raises ``ConfigError``, before the data are read, where the engine's package is not installed."""
    if MILVUS in (settings.retrieval, rerank.rerank_engine):
        check_milvus(**_milvus(settings))
    by_texts = settings.retrieval == RERANK and rerank.rerank_by == TEXTS
    if (rerank.rerank_engine if by_texts else settings.retrieval) == LUCENE:
        check_java()


def _milvus(settings: RetrievalSettings) -> dict[str, Any]:
    return {"uri": settings.milvus_uri, "candidates": settings.milvus_candidates}
