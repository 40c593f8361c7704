"""``rerank_unseen``: a bonus for items that no training row holds, whose scores by a trained model are not reliable.

Measured on Scientific (results/modes, docs/results/decoding_modes.md): with the bonus that validation chose (.3) 22 of
111 unseen test targets stand in the first ten, 3 without it, and NDCG@10 stays (.0655 to .0654). Without CALRec in the
fusion it finds 17 of them, which is no significant difference (McNemar p = .12).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calrec_recbole.errors import ConfigError
from calrec_recbole.reranking.rerank_settings import LOGPROB
from calrec_recbole.setting_groups import check_ranges, younger

__all__ = ["BONUSES", "UnseenBonus", "fair_bonus", "unseen_items"]

BONUSES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)  # tried on validation, with the weight that it chose


@dataclass(frozen=True)
class UnseenBonus:
    """``rerank_unseen``: added to the score of a candidate that no training row holds, from 0 to 1; "auto" is what
    ``fair_bonus`` takes, at a cost of ``rerank_unseen_loss``, a share of the best metric.
    """

    rerank_unseen: float | str = younger(0, neutral=0, within="auto or [0, 1]")
    rerank_unseen_loss: float = younger(0.02, neutral=0.02, within="[0, 1)")

    def __post_init__(self) -> None:
        check_ranges(self)

    def check(self, rerank_by: str) -> None:
        """Raises ``ConfigError`` for a bonus that has no place."""
        bonus = self.rerank_unseen
        if bonus != 0 and rerank_by == LOGPROB:
            raise ConfigError(
                f"rerank_unseen={bonus!r} is added to scaled scores: set rerank_by=texts, or rerank_unseen=0"
            )


def unseen_items(sequences: Iterable[ArrayLike], n_items: int) -> NDArray[np.bool_]:
    """(n_items,) True for the items that none of the training ``sequences`` (item places) holds.

    >>> unseen_items([[0, 2], [2, 3]], 5).tolist()
    [False, True, False, False, True]
    """
    unseen = np.ones(n_items, bool)
    for sequence in sequences:
        unseen[np.asarray(sequence, np.int64)] = False
    return unseen


def fair_bonus(values: Mapping[float, float], found: Mapping[float, int], loss: float) -> float:
    """Among the bonuses that keep 1 - ``loss`` of the metric's best ``values``, takes the one with most unseen targets
    ``found``; the smallest of equals.

    >>> fair_bonus({0.0: 0.100, 0.1: 0.099, 0.2: 0.097}, {0.0: 1, 0.1: 4, 0.2: 9}, loss=0.02)
    0.1
    """
    kept = [bonus for bonus, value in values.items() if value >= (1 - loss) * max(values.values())]
    return max(kept, key=lambda bonus: (found[bonus], -bonus))
