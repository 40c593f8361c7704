"""Which users, truncated how, go into a step; and how a step is cut into micro-batches with little padding."""

from collections.abc import Iterator, Sequence

import numpy as np

from calrec_recbole.examples import Example

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


def micro_batches(examples: Sequence[Example], max_tokens: int, max_padding: float) -> Iterator[list[Example]]:
    """Cuts the length-sorted ``examples`` so that each piece holds at most ``max_tokens`` tokens, pads included, and
    at most ``max_padding`` of them are pads; a sequence longer than ``max_tokens`` goes alone. Longest first."""
    piece: list[Example] = []
    for example in sorted(examples, key=lambda example: -len(example.tokens)):
        candidate = [*piece, example]
        padded = len(candidate) * len(candidate[0].tokens)
        if piece and (padded > max_tokens or padding_share([candidate]) > max_padding):
            yield piece
            candidate = [example]
        piece = candidate
    if piece:
        yield piece


def padding_share(pieces: Sequence[Sequence[Example]]) -> float:
    """The share of pads among all tokens of the whole-sequence pass."""
    padded = sum(len(piece) * max(len(example.tokens) for example in piece) for piece in pieces)
    return 1 - sum(len(example.tokens) for piece in pieces for example in piece) / padded
