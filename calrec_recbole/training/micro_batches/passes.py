"""How the sequences of a batch go through the backbone: in which groups, and what each group gives."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

__all__ = ["Passes", "Towers"]


class Towers(NamedTuple):
    """What the backbone gives for a group: B histories with their targets, T targets alone; either may be none.

    D is the backbone's hidden size, P the number of predicted tokens.
    """

    sequences: Tensor  # (B,) int64: rows of the batch
    user: Tensor  # (B, D) v^U: mean over the prompt's tokens, the closing prefix included
    target_in_context: Tensor  # (B, D) v^TU: mean over the target's tokens
    hidden: Tensor  # (P, D) hidden states that predict a label
    labels: Tensor  # (P,) int64
    targets: Tensor  # (T,) int64: rows of the batch
    target_alone: Tensor  # (T, D) v^T: mean over the target's tokens in a pass that sees nothing else


class Passes(Protocol):
    """Groups of a batch, each small enough that its activations fit in memory; the largest is the last."""

    @property
    def groups(self) -> Sequence[Any]:
        """Opaque to all but ``read``."""

    @property
    def padding(self) -> float:
        """The share of pads among all tokens that go through the backbone."""

    def read(self, group: Any) -> Towers:
        """A pass over ``group``."""
