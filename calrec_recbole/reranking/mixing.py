"""The scores of the two stages of a reranking become one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.reranking.candidates import combine

__all__ = ["WEIGHTS", "Parts"]

WEIGHTS = tuple(step / 10 for step in range(11))  # of the first stage: those that are tried on validation


class Parts(NamedTuple):
    """For B users, each (B, n_items): first-stage scores, which items are candidates, and the two scores to be mixed.

    And which of the items no training row holds, (n_items,).
    """

    first: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    own: NDArray[np.float64]
    others: NDArray[np.float64]
    unseen: NDArray[np.bool_]

    def mixed(self, weight: float, bonus: float = 0.0) -> NDArray[np.float64]:
        """(B, n_items): (1 - weight) own + weight others, and ``bonus`` more for an unseen item."""
        more = bonus * self.unseen
        return combine(self.first, self.chosen, self.own + more, self.others + more, weight)
