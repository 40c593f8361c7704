"""Which users, truncated how, go into a step; and how a step is cut into micro-batches with little padding."""

from collections.abc import Sequence

import numpy as np

__all__ = ["micro_batches", "padding_share", "step_users", "truncated"]


def step_users(n_users: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """The users of optimiser step ``step`` (0-based), (batch_size,) int64: consecutive pieces of one permutation an
    epoch.

    A function of its arguments alone, so that a resumed run goes on with the users it would have seen.
    """
    batch_size = min(batch_size, n_users)
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = places // n_users
    users = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([seed, 0, int(epoch)]).permutation(n_users)
        users[epochs == epoch] = order[places[epochs == epoch] % n_users]
    return users


def truncated(sequence: Sequence[int], truncate_last: int, rng: np.random.Generator) -> Sequence[int]:
    """Drops the last k items, k uniform over {0..truncate_last}, clamped so that a target and one history item stay."""
    k = min(int(rng.integers(truncate_last + 1)), len(sequence) - 2)
    return sequence[: len(sequence) - k]


def micro_batches(lengths: Sequence[int], max_tokens: int, max_padding: float) -> list[list[int]]:
    """Rows of ``lengths`` tokens -> pieces of similar length, as lists of row numbers, longest first.

    A piece holds at most ``max_tokens`` tokens, pads included, and at most the share ``max_padding`` of pads; a row
    longer than ``max_tokens`` goes alone.
    """
    pieces: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        candidate = [*pieces[-1], row] if pieces else [row]
        padded = len(candidate) * lengths[candidate[0]]
        if not pieces or padded > max_tokens or padding_share(lengths, [candidate]) > max_padding:
            pieces.append([row])
        else:
            pieces[-1] = candidate
    return pieces


def padding_share(lengths: Sequence[int], pieces: Sequence[Sequence[int]]) -> float:
    """The share of pads among all tokens of ``pieces``."""
    padded = sum(len(piece) * max(lengths[row] for row in piece) for piece in pieces)
    return 1 - sum(lengths[row] for piece in pieces for row in piece) / padded
