"""Where the packed tokens of a pass stand: among their users, and in the suffixes of their rows."""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.attention.varlen import Segments


class Layout(NamedTuple):
    """N packed tokens in G groups with P places each: tokens of a user's prompt, rows of a user, tokens of a row."""

    places: Tensor  # (N,) group * P + place
    groups: int  # G
    width: int  # P

    def spread(self, states: Tensor) -> Tensor:
        """(N, ...) packed -> (G, P, ...), zeros where no token stands."""
        padded = states.new_zeros(self.groups * self.width, *states.shape[1:])
        grouped: Tensor = padded.index_copy_(0, self.places, states).unflatten(0, (self.groups, self.width))
        return grouped

    def pack(self, states: Tensor) -> Tensor:
        """(G, P, ...) -> (N, ...), the inverse of `spread`."""
        return states.flatten(0, 1)[self.places]


class Prompts:
    """Users' prompts read in one pass: N tokens, user after user."""

    def __init__(self, lengths: list[int], device: torch.device):
        self.segments = Segments.of(lengths, device)
        self.width = max(lengths)
        starts = self.segments.starts.long()
        self.lasts = starts[1:] - 1  # (U,) of each prompt's tokens the last
        self.users = torch.repeat_interleave(
            torch.arange(len(lengths), device=device), starts.diff(), output_size=sum(lengths)
        )
        self.positions = torch.arange(sum(lengths), device=device) - starts[self.users]  # (N,)
        self.layout = Layout(self.users * self.width + self.positions, len(lengths), self.width)


class Spans:
    """A pass in which row r, with ``depths[r]`` tokens in its suffix, reads ``lengths[r]`` >= 1 more: N in all.

    Rows of a user stand side by side. ``rows`` (N,) and ``places`` (N,) are the row of each packed token and its place
    in that row's suffix; the tokens of row r begin at ``starts[r]``. ``size`` says what only the device would know.
    """

    def __init__(self, users: Tensor, slots: Tensor, depths: Tensor, lengths: Tensor, counts: Tensor, size: "Size"):
        """``counts`` (U,) are the tokens of each user."""
        self.slots, self.depths, self.lengths, self.counts, self.size = slots, depths, lengths, counts, size
        number = torch.arange(size.tokens, device=slots.device)
        if size.widest == 1:
            self.starts = self.rows = number
            self.places, self.order = depths, torch.zeros_like(number)
        else:
            self.starts = lengths.cumsum(0) - lengths
            self.rows = torch.repeat_interleave(
                torch.arange(len(slots), device=slots.device), lengths, output_size=size.tokens
            )
            self.order = number - self.starts[self.rows]
            self.places = depths[self.rows] + self.order
        self.users = users[self.rows]  # (N,) of each token
        self._masks: dict[tuple[int | None, int], Tensor] = {}

    @cached_property
    def by_user(self) -> Layout:
        """Each user's tokens side by side."""
        number = torch.arange(self.size.tokens, device=self.slots.device)
        before = self.counts.cumsum(0) - self.counts
        return Layout(self.users * self.size.most + number - before[self.users], len(self.counts), self.size.most)

    @cached_property
    def by_slot(self) -> Layout:
        """Each row's tokens side by side, rows by their slots."""
        return Layout(self.slots[self.rows] * self.size.widest + self.order, len(self.slots), self.size.widest)

    def mask(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor | None:
        """Additive (R, 1, W * group, S): the lowest number where a token of a row does not see that suffix place.

        None where every row reads one token at the same depth, and so sees all that there is.
        """
        if self.size.level:
            return None
        if (window, group) not in self._masks:
            key = torch.arange(self.size.stop, device=self.places.device)
            query = self.by_slot.spread(self.places)[..., None]  # (R, W, 1)
            seen = key <= query
            if window is not None:
                seen &= key > query - window
            self._masks[window, group] = additive(seen.repeat_interleave(group, 1), dtype)[:, None]
        return self._masks[window, group]


class Size(NamedTuple):
    """What the host must know of a pass."""

    tokens: int  # N
    most: int  # tokens of one user
    widest: int  # tokens of one row
    stop: int  # places in the longest suffix after it
    level: bool  # one token a row, all at the same depth


class Packed(NamedTuple):
    """The arguments of the variable-length kernel for a pass over R rows of U users."""

    places: Tensor  # (N,) where the keys and values of each token go, among those of all suffixes
    of_rows: Segments  # the tokens of each row
    suffixes: Segments  # (R + 1,) where the suffix of each row begins; the last is none
    used: Tensor  # (R,) int32, tokens in the suffix of each row after the pass
    of_users: Segments  # the tokens of each user
    prompts: Segments  # (U + 1,) where each prompt begins; the last is none
    used_prompts: Tensor  # (U,) int32, tokens of each prompt

    @classmethod
    def of(cls, spans: Spans, max_steps: int, prompt_starts: Tensor, lengths: Tensor, longest: int) -> "Packed":
        """``prompt_starts`` and ``lengths`` (U,), at most ``longest``; suffixes have room for ``max_steps`` tokens."""
        begins = spans.slots * max_steps
        return cls(
            begins[spans.rows] + spans.places,
            Segments(_starts(spans.lengths), spans.size.widest),
            Segments(_and_an_end(begins), spans.size.stop),
            (spans.depths + spans.lengths).int(),
            Segments(_starts(spans.counts), spans.size.most),
            Segments(_and_an_end(prompt_starts), longest),
            lengths.int(),
        )


def _starts(counts: Tensor) -> Tensor:
    return torch.nn.functional.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))


def _and_an_end(starts: Tensor) -> Tensor:
    """The kernel wants one start more than there are sequences; how many keys count it is told beside."""
    return torch.nn.functional.pad(starts, (0, 1)).int()


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where ``seen``, else the lowest number."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)
