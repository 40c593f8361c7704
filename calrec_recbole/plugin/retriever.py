"""The BM25 engine that the settings name, over the item texts."""

from collections.abc import Sequence
from typing import Any

from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.retrieval import BM25, ENGINES

__all__ = ["retriever_of"]


def retriever_of(config: Any, texts: Sequence[str]) -> BM25:
    """``retrieval``, ``bm25_k1`` and ``bm25_b`` of ``config`` over ``texts``; for ``lucene`` this starts Java."""
    name = config["retrieval"]
    if name not in ENGINES:
        raise ConfigError(f"retrieval={name!r} must be one of {', '.join(ENGINES)}{did_you_mean(str(name), ENGINES)}")
    return ENGINES[name](texts, k1=config["bm25_k1"], b=config["bm25_b"])
