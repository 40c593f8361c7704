"""From a text to scores of all items: BM25 (Lucene's, rank_bm25's, over Milvus) or section 6's exact matches."""

from calrec_recbole.engines.milvus.collection import check_milvus
from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.retrieval.bm25 import BM25
from calrec_recbole.retrieval.hierarchical import UNRETRIEVED, HierarchicalMatch
from calrec_recbole.retrieval.lucene.lucene_bm25 import LuceneBM25
from calrec_recbole.retrieval.okapi import OkapiBM25

__all__ = [
    "BM25",
    "ENGINES",
    "UNRETRIEVED",
    "HierarchicalMatch",
    "LuceneBM25",
    "MilvusBM25",
    "OkapiBM25",
    "check_milvus",
]

ENGINES: dict[str, type[BM25]] = {"lucene": LuceneBM25, "okapi": OkapiBM25, "milvus": MilvusBM25}
