"""From a text to scores of all items: BM25 (Lucene's, rank_bm25's) or section 6's exact matches."""

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
    "OkapiBM25",
]

ENGINES: dict[str, type[BM25]] = {"lucene": LuceneBM25, "okapi": OkapiBM25}
