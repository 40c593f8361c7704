"""How the items that another model proposes are ordered (paper 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from calrec_recbole.errors import must_be_one_of
from calrec_recbole.setting_groups import check_ranges, younger

__all__ = ["AUTO", "LOGPROB", "TEXTS", "RerankSettings"]

AUTO = "auto"
LOGPROB, TEXTS = "logprob", "texts"  # of rerank_by


@dataclass(frozen=True)
class RerankSettings:
    """``rerank_from``: the folder of a finished run, or several of them; empty: nothing is ranked again.

    ``rerank_weight`` is the share of the first stage's score, from 0 to 1; "auto" is what validation chooses.
    """

    rerank_from: str | Sequence[str] = younger("", neutral="")
    rerank_candidates: int = younger(100, neutral=100, within="[1, 1e9]")
    rerank_by: str = younger(LOGPROB, neutral=LOGPROB)
    rerank_weight: float | str = younger(AUTO, neutral=AUTO, within="auto or [0, 1]")
    rerank_engine: str = younger("lucene", neutral="lucene")

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def sources(self) -> list[str]:
        """What ``rerank_from`` names: none, one or several."""
        named = [self.rerank_from] if isinstance(self.rerank_from, str) else self.rerank_from
        return [str(one) for one in named if one]

    def check(self) -> None:
        """Raises ``ConfigError`` where the values do not fit together; asked only where ``retrieval`` is rerank."""
        must_be_one_of("rerank_by", self.rerank_by, (LOGPROB, TEXTS))
