"""Keys and values of a batch: each user's prompt once, and the suffix of each row."""

from itertools import accumulate

import torch
from torch import Tensor

from calrec_recbole.attention.varlen_check import packs
from calrec_recbole.generation.shared_prefix.pass_layout import Packed, Prompts, Spans, additive

COPIED = 1 << 26  # bytes at once when suffixes move: little beside all keys and values


class KeyValues:
    """Holds each layer's keys beside its values (.., 2 H, D): of prompts, and of suffixes (max_rows, max_steps).

    A row is a prefix that some sample has reached: its user's prompt and its own suffix of generated tokens. ``read``
    is what the pass under way reads: prompts, at first, then `Spans` of rows; ``positions`` (N,) are its tokens', and
    ``places`` (N,) where their keys and values go among those of all suffixes. One row more than ``max_rows`` is room
    for what nobody reads.
    """

    def __init__(self, lengths: list[int], max_rows: int, max_steps: int, layers: int, device: torch.device):
        self.max_rows, self.max_steps = max_rows, max_steps
        self.longest, self.bounds = max(lengths), [0, *accumulate(lengths)]
        self.lengths = torch.tensor(lengths, device=device)  # (U,) tokens a prompt
        self.starts = self.lengths.cumsum(0) - self.lengths  # (U,) of prompts that stand one after another
        self.packed = False  # whether they do so, for the variable-length kernel; else each is padded to the longest
        self.prompts: dict[int, Tensor] = {}  # (tokens, 2 H, D) packed, else (U, P, 2 H, D)
        self.suffixes: dict[int, Tensor] = {}  # (max_rows, max_steps, 2 H, D)
        self.flat: dict[int, Tensor] = {}  # (max_rows * max_steps, 2 H, D), the same
        self.parts: dict[int, tuple[Tensor, ...]] = {}  # packed prompts' keys and values, and those of flat suffixes
        self._layers, self._alike = layers, torch.empty(0)  # the suffixes of all layers that are like the first
        self._cleared = 0, 0  # rows and places of the suffixes that hold numbers
        self._first = 0  # of the users whose prompts are read

    def begin(self, read: Prompts | Spans, first_user: int = 0) -> None:
        """The next pass reads this; of prompts, those of the users from ``first_user`` on."""
        self.read, self._first = read, first_user
        self._masks: dict[tuple[int | None, int], Tensor] = {}
        if isinstance(read, Prompts):
            self.positions = read.positions
            return
        self.positions = self.lengths[read.users] + read.places
        if self.packed:
            self.layout = Packed.of(read, self.max_steps, self.starts, self.lengths, self.longest)
            self.places = self.layout.places
        else:
            self.places = (read.slots * self.max_steps)[read.rows] + read.places

    def write(self, layer: int, states: Tensor) -> None:
        """The keys beside the values (N, 2 H, D) of what the pass reads, in one layer."""
        if isinstance(self.read, Spans):
            self.flat[layer].index_copy_(0, self.places, states)
            return
        if layer not in self.prompts:
            self._make(layer, states)
        if self.packed:
            self.prompts[layer][self.bounds[self._first] :][: len(states)] = states
        else:
            padded = self.read.layout.spread(states)
            self.prompts[layer][self._first :][: len(padded), : self.read.layout.width] = padded

    def prompts_read(self, layer: int) -> Tensor:
        """Keys beside values of the prompts that the pass reads: (N, 2 H, D) packed, else (U, P, 2 H, D)."""
        assert isinstance(self.read, Prompts)
        if self.packed:
            return self.prompts[layer][self.bounds[self._first] :][: len(self.positions)]
        return self.prompts[layer][self._first :][: self.read.layout.groups, : self.read.layout.width]

    def padded_prompts(self, layer: int) -> Tensor:
        """(U, P, 2 H, D) keys beside values of all prompts."""
        if not self.packed:
            return self.prompts[layer]
        place = torch.arange(self.longest, device=self.lengths.device)
        inside = place < self.lengths[:, None]
        return self.prompts[layer][(self.starts[:, None] + place).where(inside, 0)]

    def _make(self, layer: int, like: Tensor) -> None:
        """The room of a layer. The first one tells how the others will look, mostly."""
        if not self.prompts:
            self.packed = packs(like)
            self._alike = like.new_empty(self._layers, self.max_rows + 1, self.max_steps, *like.shape[1:])
        lead = (self.bounds[-1],) if self.packed else (len(self.lengths), self.longest)
        self.prompts[layer] = like.new_zeros(*lead, *like.shape[1:])
        alike = layer < self._layers and self._alike.shape[3:] == like.shape[1:]
        self.suffixes[layer] = self._alike[layer] if alike else like.new_empty(*self._alike.shape[1:3], *like.shape[1:])
        self.flat[layer] = self.suffixes[layer].flatten(0, 1)
        if self.packed:
            self.parts[layer] = *self.prompts[layer].chunk(2, 1), *self.flat[layer].chunk(2, 1)

    def _groups(self) -> list[Tensor]:
        """All suffixes (layers, max_rows, max_steps, 2 H, D)."""
        apart = [one[None] for one in self.suffixes.values() if one._base is not self._alike]
        return [self._alike, *apart]

    def clear(self, rows: int, stop: int) -> None:
        """Zeros in the first ``stop`` places of the first ``rows`` suffixes where nothing was ever written or copied.

        A mask hides any number, but not NaN.
        """
        old_rows, old_stop = self._cleared
        self._cleared = max(rows, old_rows), max(stop, old_stop)
        for group in self._groups():
            group[:, :old_rows, old_stop:stop] = 0
            group[:, old_rows:rows, : self._cleared[1]] = 0

    def copy(self, source: Tensor, target: Tensor, depth: int) -> None:
        """The first ``depth`` places of the suffixes in slots ``source`` to ``target``, in every layer."""
        for group in self._groups():
            filled = group[:, :, :depth]
            size = max(1, len(source) * filled[0, 0].numel() * group.element_size())
            for part in filled.split(max(1, COPIED // size)):
                part[:, target] = part[:, source]  # index_copy_ would copy all of it first

    def keep(self, users: Tensor) -> None:
        """Forgets the prompts of all but these users (ascending)."""
        self.lengths, self.starts = self.lengths[users], self.starts[users]
        if not self.packed:
            for layer, states in self.prompts.items():
                self.prompts[layer] = states[users]

    def prompt_mask(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor:
        """Additive, the lowest number where a user's tokens do not see that token of the prompt.

        (U, 1, 1, P) where it is one for all tokens of a user, else (U, 1, M * group, P): for M tokens of a user each.
        """
        assert isinstance(self.read, Spans)
        if (window, group) not in self._masks:
            place = torch.arange(self.longest, device=self.lengths.device)
            seen = (place < self.lengths[:, None])[:, None]
            if window is not None:
                near = place > (self.read.by_user.spread(self.positions) - window)[..., None]  # (U, M, P)
                seen = (seen & near).repeat_interleave(group, 1)
            self._masks[window, group] = additive(seen, dtype)[:, None]
        return self._masks[window, group]
