"""Where the packed tokens of a pass stand: among their users, and in the suffixes of their rows."""

from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """N packed tokens in G groups with P places each: tokens of a user's prompt, rows of a user, tokens of a row."""

    places: Tensor  # (N,) group * P + place
    groups: int  # G
    width: int  # P

    def spread(self, states: Tensor) -> Tensor:
        """(N, ...) packed -> (G, P, ...), zeros where no token stands."""
        padded = states.new_zeros(self.groups * self.width, *states.shape[1:])
        return padded.index_copy_(0, self.places, states).unflatten(0, (self.groups, self.width))

    def pack(self, states: Tensor) -> Tensor:
        """(G, P, ...) -> (N, ...), the inverse of `spread`."""
        return states.flatten(0, 1)[self.places]


def by_user(users: Tensor, counts: Tensor) -> Layout:
    """Tokens of ``users`` (N,) in any order, ``counts`` (U,) of each -> each user's tokens side by side."""
    order = torch.argsort(users)
    rank = torch.empty_like(users)
    rank[order] = torch.arange(len(users), device=users.device) - (counts.cumsum(0) - counts)[users[order]]
    width = int(counts.max())
    return Layout(users * width + rank, len(counts), width)


class Spans:
    """A pass in which row r, with ``depths[r]`` tokens in its suffix, reads ``lengths[r]`` >= 1 more: N in all.

    ``rows`` (N,) and ``places`` (N,) are the row of each packed token and its place in that row's suffix; the tokens
    of row r begin at ``starts[r]``. ``layout`` has them by row; ``stop`` is behind the last place.
    """

    def __init__(self, depths: Tensor, lengths: Tensor):
        width = int(lengths.max())
        inside = torch.arange(width, device=lengths.device) < lengths[:, None]
        self.rows, order = inside.nonzero(as_tuple=True)
        self.places = depths[self.rows] + order
        self.lengths = lengths
        self.starts = lengths.cumsum(0) - lengths
        self.layout = Layout(self.rows * width + order, len(lengths), width)
        self.depth, self.stop = int(depths.max()), int(self.places.max()) + 1
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    def mask(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor:
        """Additive (R, 1, W * group, S): the lowest number where a token of a row does not see that suffix place."""
        if (window, group) not in self._masks:
            key = torch.arange(self.stop, device=self.places.device)
            query = self.layout.spread(self.places)[..., None]  # (R, W, 1)
            seen = key <= query
            if window is not None:
                seen &= key > query - window
            self._masks[window, group] = additive(seen.repeat_interleave(group, 1), dtype)[:, None]
        return self._masks[window, group]


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where ``seen``, else the lowest number."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)
