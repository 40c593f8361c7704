"""Which users, truncated how, go into a step; and how a step is cut into micro-batches with little padding."""

from collections.abc import Sequence

import numpy as np

__all__ = ["fitting_groups", "micro_batches", "padded_tokens", "step_users", "truncated"]


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
    """Drops the last k items, k uniform over {0..min(truncate_last, n - 2)}: a target and one history item stay."""
    k = int(rng.integers(min(truncate_last, len(sequence) - 2) + 1))
    return sequence[: len(sequence) - k]


def micro_batches(lengths: Sequence[int], max_tokens: int, cost: int) -> list[list[int]]:
    """Rows of ``lengths`` tokens -> pieces of similar length, as lists of row numbers, longest first.

    The cheapest cut, where a piece costs its tokens, pads included, and ``cost`` tokens for the call itself: few pieces
    mean many pads, many pieces many calls. A piece holds at most ``max_tokens`` tokens, pads included; a row longer
    than that goes alone. Found exactly by going through the rows in order of length; equal cuts: fewer rows first.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    longest = np.array([lengths[row] for row in order], dtype=np.int64)
    cheapest = np.zeros(len(order) + 1, dtype=np.int64)  # [i]: of the first i rows
    begins = np.zeros(len(order) + 1, dtype=np.int64)  # [i]: where the last piece of that cut begins
    for end in range(1, len(order) + 1):
        tokens = (end - np.arange(end)) * longest[:end]
        tokens[-1] = min(tokens[-1], max_tokens)  # alone, it always fits
        total = np.where(tokens <= max_tokens, cheapest[:end] + tokens + cost, np.iinfo(np.int64).max)
        begins[end] = total.argmin()
        cheapest[end] = total[begins[end]]
    pieces: list[list[int]] = []
    end = len(order)
    while end:
        pieces.append(order[begins[end] : end])
        end = int(begins[end])
    return pieces[::-1]


def fitting_groups(tokens: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Pieces of ``tokens`` tokens -> groups of at most ``max_tokens``, as lists of piece numbers, the largest last.

    First fit, longest pieces first; a piece of more than ``max_tokens`` goes alone.
    """
    groups: list[list[int]] = []
    totals: list[int] = []
    for piece in sorted(range(len(tokens)), key=lambda piece: -tokens[piece]):
        place = next((at for at, total in enumerate(totals) if total + tokens[piece] <= max_tokens), None)
        if place is None:
            groups.append([piece])
            totals.append(tokens[piece])
        else:
            groups[place].append(piece)
            totals[place] += tokens[piece]
    return [groups[at] for at in sorted(range(len(groups)), key=lambda at: totals[at])]


def padded_tokens(lengths: Sequence[int], piece: Sequence[int]) -> int:
    """The tokens of ``piece``, pads included."""
    return len(piece) * max(lengths[row] for row in piece)
