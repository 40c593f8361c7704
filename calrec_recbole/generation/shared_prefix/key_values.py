"""Keys and values of a batch: each user's prompt once, and the suffix of each row; handed to the model as its cache."""

import torch
from torch import Tensor

from calrec_recbole.generation.shared_prefix.packing import Layout, Spans, additive, by_user

LIVE_SHARE = 0.75  # the prompts of finished users are dropped when no more than this share of the users goes on


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
        """The keys and values (1, H, N, D) of what rows 0..R-1 read: their next token, or their spans."""
        spans, step, rows = self.owner.spans, self.owner.step, keys.shape[2]
        for suffix, new in ((self.suffix_keys, keys), (self.suffix_values, values)):
            if spans is None:
                suffix[:rows, :, step] = new[0].transpose(0, 1)
            else:
                suffix[spans.rows, :, spans.places] = new[0].transpose(0, 1)

    def clear(self, rows: slice, places: slice) -> None:
        """Zeros where nothing was ever written: a mask hides any number, but not NaN."""
        for suffix in (self.suffix_keys, self.suffix_values):
            suffix[rows, :, places] = 0

    def suffix(self, window: int | None) -> tuple[Tensor, Tensor]:
        """Keys and values (R, H, S, D) that a row sees of its own suffix, all of it or the last ``window`` tokens.

        Of rows that read spans it is always all of it: what each token sees is for `Spans.mask` to say.
        """
        rows, spans = len(self.owner.users), self.owner.spans
        stop = self.owner.step + 1 if spans is None else spans.stop
        start = 0 if window is None or spans is not None else max(0, stop - window)
        return self.suffix_keys[:rows, :, start:stop], self.suffix_values[:rows, :, start:stop]

    def copy(self, source: Tensor, target: Tensor) -> None:
        """The suffix of each row in ``source`` to the row in ``target``."""
        for suffix in (self.suffix_keys, self.suffix_values):
            suffix[target, :, : self.owner.step] = suffix[source, :, : self.owner.step]

    def keep(self, users: Tensor) -> None:
        """Forgets the prompts of all but these users."""
        self.keys, self.values = self.keys[users], self.values[users]


class Memory:
    """What `transformers` sees as `past_key_values`: the first pass reads the prompts, each next one what follows.

    A row is a prefix that some sample has reached: its user's prompt and its own suffix of generated tokens. ``update``
    hands the layer's memory, in the place of keys, to the attention function (`shared_attention`). A row reads one
    token a pass, all suffixes being of one length; or, with `Spans`, several, after a suffix of its own length.
    """

    def __init__(self, lengths: list[int], max_rows: int, max_steps: int, device: torch.device):
        self.max_rows, self.max_steps = max_rows, max_steps
        self.longest = max(lengths)
        self.lengths = torch.tensor(lengths, device=device)  # (U,) tokens a prompt
        self.layers: dict[int, LayerMemory] = {}
        self.step = -1  # tokens in each suffix, with spans in the longest, before this pass; -1: the prompts are read
        self.spans: Spans | None = None
        inside = torch.arange(self.longest, device=device) < self.lengths[:, None]
        self.layout = Layout(inside.flatten().nonzero()[:, 0], len(lengths), self.longest)
        self.positions = inside.nonzero()[:, 1]  # (N,) of the tokens of this pass
        self.users = torch.arange(len(lengths), device=device)  # (R,) the user of each row; first, a row is a prompt
        self._masks: dict[tuple[int | None, int], Tensor] = {}
        self._cleared = 0, 0  # rows and places of the suffixes that hold numbers, where spans are read
        self._names = self.users  # (U,) the first numbers of the users
        self.passes = torch.ones_like(self.lengths)  # (users at first,) those that read a token of the user
        self.reads = torch.zeros_like(self.lengths)  # tokens read after the prompt

    def descend(self, parents: Tensor, source: Tensor, target: Tensor, spans: Spans | None = None) -> None:
        """The next pass reads one token, or its span, for each of R new rows, children of the rows ``parents`` (R,).

        New row i takes over the suffix that stands at place i; before, suffixes are copied ``source`` -> ``target``.
        """
        assert self.step < 0 or (self.spans is None) == (spans is None), "a descent reads spans or it does not"
        if spans is not None:
            self._clear(len(parents), spans.stop)
        self.step = self.step + 1 if spans is None else spans.depth
        self.spans, self._masks = spans, {}
        self.users = self.users[parents]
        if len(source):
            for layer in self.layers.values():
                layer.copy(source, target)
        counts = torch.bincount(self.users if spans is None else self.users[spans.rows], minlength=len(self.lengths))
        live = counts.nonzero()[:, 0]
        self.passes[self._names[live]] += 1
        self.reads[self._names] += counts
        if len(live) <= LIVE_SHARE * len(counts):
            counts = counts[live]
            self._keep(live)
        users = self.users if spans is None else self.users[spans.rows]  # (N,) of the tokens of this pass
        self.positions = self.lengths[users] + (self.step if spans is None else spans.places)
        self.layout = by_user(users, counts)

    def _clear(self, rows: int, stop: int) -> None:
        """Makes the first ``stop`` places of the first ``rows`` suffixes readable."""
        old_rows, old_stop = self._cleared
        self._cleared = max(rows, old_rows), max(stop, old_stop)
        for layer in self.layers.values():
            layer.clear(slice(0, old_rows), slice(old_stop, stop))
            layer.clear(slice(old_rows, rows), slice(0, self._cleared[1]))

    def _keep(self, users: Tensor) -> None:
        """Forgets all but these users (ascending), who have all the rows."""
        self.users = torch.searchsorted(users, self.users)
        self.lengths, self._names = self.lengths[users], self._names[users]
        for layer in self.layers.values():
            layer.keep(users)

    def get_seq_length(self, *_: object) -> int:
        """Asked by models that count positions which they were not given; ours are given."""
        return 0

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[LayerMemory, Tensor]:
        """Called by each attention layer with its new keys and values (1, H, N, D)."""
        if self.step < 0:
            self.layers[layer_idx] = LayerMemory(keys, values, self)
        else:
            self.layers[layer_idx].append(keys, values)
        return self.layers[layer_idx], values

    def prompt_mask(self, window: int | None, dtype: torch.dtype, group: int) -> Tensor:
        """Additive, the lowest number where a user's next token does not see that token of the prompt.

        (U, 1, 1, P) where it is one for all rows of a user, else (U, 1, M * group, P): for M tokens of a user each.
        """
        if (window, group) not in self._masks:
            place = torch.arange(self.longest, device=self.lengths.device)
            seen = (place < self.lengths[:, None])[:, None]
            if window is not None and self.spans is None:
                seen = seen & (place > (self.lengths + (self.step - window))[:, None, None])
            elif window is not None:
                near = place > (self.layout.spread(self.positions) - window)[..., None]  # (U, M, P)
                seen = (seen & near).repeat_interleave(group, 1)
            self._masks[window, group] = additive(seen, dtype)[:, None]
        return self._masks[window, group]
