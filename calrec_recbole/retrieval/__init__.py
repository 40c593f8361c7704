"""BM25 over the item texts: every item's score for every query text, by Lucene's or by rank_bm25's arithmetic."""

from calrec_recbole.retrieval.bm25 import BM25
from calrec_recbole.retrieval.lucene import LuceneBM25
from calrec_recbole.retrieval.okapi import OkapiBM25

__all__ = ["BM25", "ENGINES", "LuceneBM25", "OkapiBM25"]

ENGINES: dict[str, type[BM25]] = {"lucene": LuceneBM25, "okapi": OkapiBM25}
