"""Section 3.3: from which category each user of a joint step comes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calrec_recbole.errors import ConfigError

__all__ = ["Mixture"]


@dataclass(frozen=True)
class Mixture:
    """Categories of ``sizes`` users each, one after another, drawn at rates proportional to |U|^``power``.

    ``power=1`` draws every user alike, ``power=0`` every category alike; the paper's is 0.3.
    """

    sizes: Sequence[int]
    power: float = 0.3  # paper 3.3

    def __post_init__(self) -> None:
        if not 0 <= self.power <= 1:
            raise ConfigError(f"mixture_power={self.power} must lie between 0 (categories alike) and 1 (users alike)")
        assert all(self.sizes), "every category has a user"

    @property
    def shares(self) -> np.ndarray:
        """(n_categories,) float64, the share of each category in training."""
        weights = np.asarray(self.sizes, dtype=np.float64) ** self.power
        shares: np.ndarray = weights / weights.sum()
        return shares

    def users(self, batch_size: int, step: int, seed: int) -> np.ndarray:
        """The users of optimiser step ``step`` (0-based), (batch_size,) int64, numbered through all categories.

        Drawn anew each step: the categories independently, the users of one category without repetition, so that no
        user is a negative of its own. A category that is drawn more often than it has users gives all of them, then
        begins again. A function of its arguments alone, so that a resumed run goes on with the users it would have
        seen.
        """
        rng = np.random.default_rng([seed, 0, step])
        counts = rng.multinomial(batch_size, self.shares)
        firsts = np.cumsum([0, *self.sizes[:-1]])
        drawn = [first + _draw(size, count, rng) for first, size, count in zip(firsts, self.sizes, counts, strict=True)]
        return np.concatenate(drawn)


def _draw(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    whole, rest = divmod(count, size)
    some = rng.choice(size, rest, replace=False, shuffle=False)
    return np.concatenate([np.tile(np.arange(size), whole), some])
