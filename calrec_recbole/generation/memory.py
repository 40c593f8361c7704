"""Keys and values of a batch: each user's prompt once, and the suffix of each row; handed to the model as its cache."""

from typing import NamedTuple

import torch
from torch import Tensor

LIVE_SHARE = 0.75  # the prompts of finished users are dropped when no more than this share of the users goes on


class Layout(NamedTuple):
    """Where the N packed tokens of a pass stand: U users with P places each (tokens of a prompt, or rows)."""

    places: Tensor  # (N,) user * P + place
    users: int  # U
    width: int  # P

    def spread(self, states: Tensor) -> Tensor:
        """(N, ...) packed -> (U, P, ...), zeros where no token stands."""
        padded = states.new_zeros(self.users * self.width, *states.shape[1:])
        return padded.index_copy_(0, self.places, states).unflatten(0, (self.users, self.width))

    def pack(self, states: Tensor) -> Tensor:
        """(U, P, ...) -> (N, ...), the inverse of `spread`."""
        return states.flatten(0, 1)[self.places]


class LayerMemory:
    """One layer's keys and values: prompts (U, H, P, D), suffixes (max_rows, H, max_steps, D)."""

    def __init__(self, keys: Tensor, values: Tensor, owner: "Memory"):
        self.owner = owner
        self.keys, self.values = (
            owner.layout.spread(states[0].transpose(0, 1)).transpose(1, 2).contiguous() for states in (keys, values)
        )
        _, heads, _, width = self.keys.shape
        size = (owner.max_rows, heads, owner.max_steps, width)
        self.suffix_keys, self.suffix_values = keys.new_empty(size), values.new_empty(size)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """The keys and values (1, H, R, D) of the next token of rows 0..R-1."""
        step, rows = self.owner.step, keys.shape[2]
        self.suffix_keys[:rows, :, step] = keys[0].transpose(0, 1)
        self.suffix_values[:rows, :, step] = values[0].transpose(0, 1)

    def suffix(self, window: int | None) -> tuple[Tensor, Tensor]:
        """Keys and values (R, H, S, D) that a row sees of its own suffix, all of it or the last ``window`` tokens."""
        rows, stop = len(self.owner.users), self.owner.step + 1
        start = 0 if window is None else max(0, stop - window)
        return self.suffix_keys[:rows, :, start:stop], self.suffix_values[:rows, :, start:stop]

    def copy(self, source: Tensor, target: Tensor) -> None:
        """The suffix of each row in ``source`` to the row in ``target``."""
        for suffix in (self.suffix_keys, self.suffix_values):
            suffix[target, :, : self.owner.step] = suffix[source, :, : self.owner.step]

    def keep(self, users: Tensor) -> None:
        """Forgets the prompts of all but these users."""
        self.keys, self.values = self.keys[users], self.values[users]


class Memory:
    """What `transformers` sees as `past_key_values`: the first pass reads the prompts, each next one token a row.

    A row is a prefix that some sample has reached: its user's prompt and its own suffix of generated tokens. ``update``
    hands the layer's memory, in the place of keys, to the attention function (`shared_attention`).
    """

    def __init__(self, lengths: list[int], max_rows: int, max_steps: int, device: torch.device):
        self.max_rows, self.max_steps = max_rows, max_steps
        self.longest = max(lengths)
        self.lengths = torch.tensor(lengths, device=device)  # (U,) tokens a prompt
        self.layers: dict[int, LayerMemory] = {}
        self.step = -1  # tokens in each suffix before this pass; -1 while the prompts are read
        inside = torch.arange(self.longest, device=device) < self.lengths[:, None]
        self.layout = Layout(inside.flatten().nonzero()[:, 0], len(lengths), self.longest)
        self.positions = inside.nonzero()[:, 1]  # (N,) of the tokens of this pass
        self.users = torch.arange(len(lengths), device=device)  # (R,) the user of each row; first, a row is a prompt
        self._masks: dict[int | None, Tensor] = {}

    def descend(self, parents: Tensor, source: Tensor, target: Tensor) -> None:
        """The next pass reads one token for each of R new rows, children of the rows ``parents`` (R,).

        New row i takes over the suffix that stands at place i; before, suffixes are copied ``source`` -> ``target``.
        """
        self.step += 1
        self._masks = {}
        self.users = self.users[parents]
        if len(source):
            for layer in self.layers.values():
                layer.copy(source, target)
        counts = torch.bincount(self.users, minlength=len(self.lengths))
        live = counts.nonzero()[:, 0]
        if len(live) <= LIVE_SHARE * len(counts):
            counts = counts[live]
            self._keep(live)
        self.positions = self.lengths[self.users] + self.step
        self.layout = _by_user(self.users, counts)

    def _keep(self, users: Tensor) -> None:
        """Forgets all but these users (ascending), who have all the rows."""
        self.users = torch.searchsorted(users, self.users)
        self.lengths = self.lengths[users]
        for layer in self.layers.values():
            layer.keep(users)

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[LayerMemory, Tensor]:
        """Called by each attention layer with its new keys and values (1, H, N, D)."""
        if self.step < 0:
            self.layers[layer_idx] = LayerMemory(keys, values, self)
        else:
            self.layers[layer_idx].append(keys, values)
        return self.layers[layer_idx], values

    def prompt_mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """Additive (U, 1, 1, P): the lowest number where a user's next token does not see that token of the prompt."""
        if window not in self._masks:
            reach = self.longest + self.max_steps if window is None else window
            place = torch.arange(self.longest, device=self.lengths.device)
            lengths = self.lengths[:, None]
            seen = (place < lengths) & (place > lengths + (self.step - reach))
            mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            self._masks[window] = mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None, None]
        return self._masks[window]


def _by_user(users: Tensor, counts: Tensor) -> Layout:
    """Rows of ``users`` (R,) in any order, ``counts`` (U,) of each -> each user's rows side by side."""
    order = torch.argsort(users)
    rank = torch.empty_like(users)
    rank[order] = torch.arange(len(users), device=users.device) - (counts.cumsum(0) - counts)[users[order]]
    width = int(counts.max())
    return Layout(users * width + rank, len(counts), width)
