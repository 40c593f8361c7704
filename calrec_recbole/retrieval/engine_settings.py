"""Which engine finds the items of a text, and the numbers of BM25."""

from dataclasses import dataclass

from calrec_recbole.errors import masked
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged, younger

__all__ = ["RetrievalSettings"]


@dataclass(frozen=True)
class RetrievalSettings:
    """``retrieval``: a name of ``ENGINES``, or for CALRec also hierarchical, rerank or none."""

    retrieval: str = "lucene"
    bm25_k1: float = ranged(1.5, "[0, 1e6]")  # paper 4
    bm25_b: float = ranged(0.75, "[0, 1]")  # paper 4
    milvus_uri: str = no_effect("")  # a server's address or a file *.db; empty: a temporary one
    milvus_candidates: int = younger(200, neutral=200, within="[1, 16384]")  # texts that Milvus answers to each query

    def __post_init__(self) -> None:
        check_ranges(self, _password_fault(self.milvus_uri))


def _password_fault(uri: str) -> str:
    """Settings are kept on disk."""
    if "://" not in uri or masked(uri) == uri:
        return ""
    return f"milvus_uri={masked(uri)} holds a name or a password: give it as MILVUS_TOKEN=name:password"
