"""Reads a tree of prefixes: one forward pass per depth, for all users of a batch at once."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder
from calrec_recbole.generation.shared_prefix.pass_layout import Prompts, Size, Spans
from calrec_recbole.generation.shared_prefix.prefix_tree import Children, branch, compact

LIVE_SHARE = 0.75  # padded prompts of finished users are dropped when no more than this share of the users goes on


class PrefixDecoder:
    """The rows of a batch: distinct prefixes, at first the U prompts themselves, longer with each pass.

    ``hidden`` (N, D) and ``logits`` (N, V) are those after each token of the last pass, at first after each prompt. A
    pass asks the device for numbers once.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: list[Tensor],
        max_rows: int,
        max_steps: int,
        prompt_tokens: int | None = None,
    ):
        """``prompts``: U tensors of token ids. At most ``max_rows`` rows and ``max_steps`` tokens come after them.

        The prompts are read ``prompt_tokens`` at a time, by default at once.
        """
        self.decoder, device = decoder, decoder.device
        self._logits: Tensor | None = None
        lengths = [len(prompt) for prompt in prompts]
        self.states = KeyValues(lengths, max_rows, max_steps, decoder.config.num_hidden_layers, device)
        self.users = self.slots = torch.arange(len(lengths), device=device)  # (R,) of each row, its user and its slot
        self.names = self.users  # (U,) the first numbers of the users
        self.passes = torch.ones_like(self.users)  # (users at first,) those that read a token of the user
        self.reads = torch.zeros_like(self.users)  # tokens read after the prompt
        self.stop = 0  # places filled in the longest suffix
        parts = []
        for users in _pieces(lengths, prompt_tokens or len(lengths) * max(lengths)):
            read = Prompts(lengths[users], device)
            self.states.begin(read, users.start)
            parts.append(decoder(torch.cat(prompts[users]).to(device), self.states, read.lasts))
        self.hidden = torch.cat(parts)

    @property
    def hidden(self) -> Tensor:
        return self._hidden

    @hidden.setter
    def hidden(self, hidden: Tensor) -> None:
        self._hidden, self._logits = hidden, None

    @property
    def logits(self) -> Tensor:
        if self._logits is None:
            self._logits = self.decoder.logits(self._hidden)
        return self._logits

    def read(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """The prefix of ``rows`` (S,) with one of ``tokens`` (S,) after it -> (S,) the row of each.

        Equal ones share a row; the rows that nobody goes on from are forgotten.
        """
        children = branch(rows, tokens, self.slots)
        self.go(children, torch.zeros_like(children.counts[0]))
        found = torch.empty_like(rows)
        found[children.order] = children.rows
        return found

    def go(self, children: Children, alarm: Tensor) -> tuple[int, bool]:
        """Reads the token of each child -> how many samples go on, and ``alarm``; without any there is no pass."""
        counts = self._counts(children, self.there(children).long())
        rows, copies, goes, most, live, alarmed = _told(children, counts, alarm)
        if rows and not alarmed:
            depths = torch.full((rows,), self.stop, device=counts.device)
            size = Size(tokens=rows, most=most, widest=1, stop=self.stop + 1, level=True)
            self._take_over(children, rows, copies)
            self._pass(depths, torch.ones_like(depths), counts, live, size)
            self.hidden = self.decoder(children.tokens[:rows], self.states)
        return goes, bool(alarmed)

    def go_far(
        self, children: Children, depths: Tensor, lengths: Tensor, tokens: Tensor, alarm: Tensor, asked: Tensor
    ) -> tuple[int, bool, int]:
        """Reads ``lengths`` (S,) of ``tokens`` (S, W) for each child -> what `go` tells, and the number ``asked``.

        Of the suffix of a child the first ``depths`` (S,) tokens stand; what was read behind them was not drawn, and is
        written over. ``lengths`` is 0 where there is no child.
        """
        counts = self._counts(children, lengths)
        sizes = lengths.sum(), lengths.max(), (depths + lengths).max()
        rows, copies, goes, most, live, alarmed, answer, total, widest, stop = _told(
            children, counts, alarm, asked, *sizes
        )
        if rows and not alarmed:
            size = Size(total, most, widest, stop, level=False)
            if not self.states.packed:
                self.states.clear(rows, stop)
            self._take_over(children, rows, copies)
            read = self._pass(depths[:rows], lengths[:rows], counts, live, size)
            self.hidden = self.decoder(tokens[read.rows, read.order], self.states)
        return goes, bool(alarmed), answer

    def read_texts(self, users: list[int], texts: list[tuple[int, ...]]) -> Tensor:
        """Reads whole texts after the prompts of ``users`` (R,), ascending -> (N, D) what is hidden after each token.

        Only right after the prompts, and the last that is read.
        """

        def tensor(numbers: Iterable[int]) -> Tensor:
            return torch.tensor(list(numbers), device=self.slots.device)

        lengths = [len(text) for text in texts]
        of_users = [0] * len(self.names)
        for user, length in zip(users, lengths, strict=True):
            of_users[user] += length
        size = Size(sum(lengths), max(of_users), max(lengths), max(lengths), level=False)
        self.users, self.slots = tensor(users), tensor(range(len(users)))
        if not self.states.packed:
            self.states.clear(len(users), size.stop)
        self._pass(torch.zeros_like(self.slots), tensor(lengths), tensor(of_users), len(of_users), size)
        self.hidden = self.decoder(tensor(token for text in texts for token in text), self.states)
        return self.hidden

    def there(self, children: Children) -> Tensor:
        """(S,) which of the new rows there are."""
        return torch.arange(len(children.parents), device=self.slots.device) < children.counts[0]

    def _counts(self, children: Children, lengths: Tensor) -> Tensor:
        """(U,) of ``lengths`` (S,), the tokens that each new row reads, the sum of each user."""
        users = self.users[children.parents.clamp(max=len(self.users) - 1)]
        return torch.zeros_like(self.states.lengths).scatter_add_(0, users, lengths)

    def _take_over(self, children: Children, rows: int, copies: int) -> None:
        """The rows become the children; suffixes move to where these look for them."""
        if copies and self.stop:
            self.states.copy(children.source[:copies], children.target[:copies], self.stop)
        self.users, self.slots = self.users[children.parents[:rows]], children.slots[:rows]

    def _pass(self, depths: Tensor, lengths: Tensor, counts: Tensor, live: int, size: Size) -> Spans:
        """The next pass reads ``lengths`` (R,) tokens of each row behind ``depths`` (R,), ``counts`` (U,) a user."""
        self._logits = None  # nobody draws from them any more
        self.passes[self.names] += counts > 0
        self.reads[self.names] += counts
        if not self.states.packed and live <= LIVE_SHARE * len(counts):
            counts = self._keep(counts, live)
        self.spans = Spans(self.users, self.slots, depths, lengths, counts, size)
        self.states.begin(self.spans)
        self.stop = size.stop
        return self.spans

    def _keep(self, counts: Tensor, live: int) -> Tensor:
        """Forgets the users that read nothing any more; ``counts`` of the others."""
        lives = counts > 0
        kept = compact(torch.arange(len(counts), device=counts.device), lives)[:live]
        self.users = (lives.cumsum(0) - 1)[self.users]
        self.names = self.names[kept]
        self.states.keep(kept)
        return counts[kept]


def _told(children: Children, counts: Tensor, *more: Tensor) -> list[int]:
    """Numbers of the device: new rows, copies, samples that go on, tokens of the user with most, users that go on;
    then ``more`` scalars. This is a pass's one synchronisation."""
    ours = torch.stack([counts.max(), (counts > 0).sum(), *(one.long() for one in more)])
    numbers: list[int] = torch.cat((children.counts, ours)).tolist()
    return numbers


def _pieces(lengths: list[int], tokens: int) -> Iterator[slice]:
    """Neighbours that hold at most ``tokens`` tokens together, padded to their longest; at least one at a time."""
    start, longest = 0, 0
    for place, length in enumerate(lengths):
        longest = max(longest, length)
        if place > start and longest * (place + 1 - start) > tokens:
            yield slice(start, place)
            start, longest = place, length
    yield slice(start, len(lengths))
