"""The engine that the settings name, over the item texts."""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from calrec_recbole.catalogue import Catalogue
from calrec_recbole.engines.milvus.collection import check_milvus
from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.fusion import Retriever
from calrec_recbole.retrieval import BM25, ENGINES, HierarchicalMatch

__all__ = ["HIERARCHICAL", "NONE", "RERANK", "TEXTS", "bm25_of", "check_retrieval", "retriever_of"]

HIERARCHICAL = "hierarchical"  # paper 6
RERANK = "rerank"  # paper 6: see plugin.reranker
TEXTS = "texts"  # of rerank_by
MILVUS = "milvus"
BM25_ENGINES: dict[str, type[BM25]] = {**ENGINES, MILVUS: MilvusBM25}
NONE = "none"  # trains and samples; ranks are for later, or for another machine


class NoRetriever:
    """Refuses to score: with ``retrieval: none`` there is no engine, and no Java."""

    def scores(self, queries: Sequence[str]) -> NoReturn:
        raise ConfigError(
            f"retrieval={NONE} ranks nothing: complete the run by calrec rank --run=DIR --retrieval=lucene, or set "
            "retrieval"
        )


def retriever_of(config: Any, catalogue: Catalogue) -> Retriever:
    """What finds the items of a generated text: a BM25 engine, or the exact matches of section 6."""
    if config["retrieval"] == RERANK and config["rerank_by"] == TEXTS:
        return bm25_of(config, catalogue.texts, "rerank_engine")
    if config["retrieval"] in (HIERARCHICAL, RERANK):  # by log-probability nothing is looked for: no Java
        return HierarchicalMatch(catalogue.texts, catalogue.template)
    if config["retrieval"] == NONE:
        return NoRetriever()
    _check("retrieval", config["retrieval"], [*BM25_ENGINES, HIERARCHICAL, RERANK, NONE])
    return bm25_of(config, catalogue.texts)


def bm25_of(config: Any, texts: Sequence[str], setting: str = "retrieval") -> BM25:
    """The engine that ``setting`` names, with ``bm25_k1`` and ``bm25_b``, over ``texts``; ``lucene`` starts Java."""
    _check(setting, config[setting], BM25_ENGINES)
    own = _milvus(config) if config[setting] == MILVUS else {}
    return BM25_ENGINES[config[setting]](texts, k1=config["bm25_k1"], b=config["bm25_b"], **own)


def check_retrieval(config: Any) -> None:
    """Raises ``ConfigError``, before the data are read, where Milvus is asked for and is not installed."""
    if MILVUS in (config["retrieval"], config["rerank_engine"]):
        check_milvus(**_milvus(config))


def _milvus(config: Any) -> dict[str, Any]:
    return {"uri": str(config["milvus_uri"] or ""), "candidates": int(config["milvus_candidates"])}


def _check(setting: str, name: Any, known: Iterable[str]) -> None:
    if name not in known:
        raise ConfigError(f"{setting}={name!r} must be one of {', '.join(known)}{did_you_mean(str(name), known)}")
