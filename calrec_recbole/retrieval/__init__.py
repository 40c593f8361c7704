"""Scores all items for a text: by BM25 (Lucene's, rank_bm25's) or by section 6's exact matches."""

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
