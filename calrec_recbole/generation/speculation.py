"""Exact speculative sampling down the tree of prefixes: a pass reads what was drawn and what may come next.

A sample draws its token of step t by its own uniform number of step t, whatever was read before. So proposals decide
how many passes there are, and never which samples: those are `decode`'s, up to float rounding. Speculative sampling
(Leviathan et al. 2023, https://arxiv.org/abs/2211.17192) in its simplest case, where a proposal is certain: the token
is drawn from the model's own distribution, and the proposal holds where it is the token drawn.
"""

import torch
from torch import Tensor

from calrec_recbole.generation.proposals import Proposer
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder
from calrec_recbole.generation.shared_prefix.prefix_tree import Children, branch
from calrec_recbole.generation.walk import Drawn, Draws

__all__ = ["speculate"]


def speculate(tree: PrefixDecoder, draws: Draws, proposer: Proposer, positions: int) -> Drawn:
    """The samples of `decode` in fewer passes: each row reads its drawn token and the chain proposed after it.

    A pass reads ``positions`` tokens at most, or one of each row where that is more.
    """
    walk = _Walk(tree, draws, positions)
    while walk.go(proposer):
        pass
    return draws.drawn(tree)


class _Walk:
    """U * n samples on their way down. S of them still go on, each on one of the R rows of the last pass.

    ``block`` (R, W) is what each row read in it, -1 after its last token; ``starts`` (R,) its first row of the logits
    and ``counts`` (R,) how many are its own. ``pairs`` counts, over the samples, the tokens that their rows read.
    """

    def __init__(self, tree: PrefixDecoder, draws: Draws, positions: int):
        device = tree.decoder.device
        draws.begin(device)
        self.tree, self.draws, self.positions = tree, draws, positions
        self.samples = torch.arange(draws.users * draws.n, device=device)  # (S,) by their rows
        self.lengths = torch.zeros_like(self.samples)  # tokens drawn for each sample
        self.rows = self.samples // draws.n  # (S,) the row of each
        self.block = torch.zeros(draws.users, 1, dtype=torch.int64, device=device)  # for the prompts' last tokens
        self.starts, self.counts = torch.arange(draws.users, device=device), torch.ones_like(self.block[:, 0])
        self.pairs = len(self.samples)

    def go(self, proposer: Proposer) -> bool:
        """Every sample draws along its row's tokens, as far as the row read what it draws; whether any goes on.

        It leaves where it draws another token, where it ends, or after the last token of the row.
        """
        drawn, nats = self._draw()
        ending = self.draws.ends_at(drawn)
        read_next = torch.nn.functional.pad(self.block[:, 1:], (0, 1), value=-1)[self.rows]  # (S, W)
        follows = (drawn == read_next) & (drawn >= 0) & ~ending
        taken = follows.long().cumprod(1).sum(1)  # (S,) tokens of the row that each takes over
        used = torch.arange(drawn.shape[1], device=drawn.device) <= taken[:, None]
        self.draws.nats.index_add_(0, self.samples, nats.where(used, 0.0).sum(1))
        places = self.lengths[self.samples][:, None] + torch.arange(drawn.shape[1], device=drawn.device)
        self.draws.write(self.samples[:, None], places, drawn, used & ~ending)
        self.lengths.index_add_(0, self.samples, taken + 1)
        last = drawn.gather(1, taken[:, None])[:, 0]
        going = ~self.draws.ends_at(last) & (self.lengths[self.samples] < self.draws.steps)
        return self._descend(taken, last, going, nats.isnan().any(), proposer)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """For every sample a token at every place of its row, as if it took over all before -> (S, W) ids and nats.

        -1 and 0 nats where the row read fewer than W tokens.
        """
        places = self.counts[self.rows]  # (S,)
        sample = torch.repeat_interleave(
            torch.arange(len(places), device=places.device), places, output_size=self.pairs
        )
        place = torch.arange(self.pairs, device=places.device) - (places.cumsum(0) - places)[sample]
        which = self.samples[sample]
        positions = self.starts[self.rows[sample]] + place
        found, nats = self.draws.at(self.tree.logits, positions, which, self.lengths[which] + place)
        shape = len(places), self.block.shape[1]
        drawn = torch.full(shape, -1, device=found.device)
        every = torch.zeros(shape, dtype=torch.float64, device=found.device)
        drawn[sample, place], every[sample, place] = found, nats.double()
        return drawn, every

    def _descend(self, taken: Tensor, last: Tensor, going: Tensor, alarm: Tensor, proposer: Proposer) -> bool:
        """A pass over the last drawn token of each new row and its chain; whether any sample goes on.

        A new row is a row, how far a sample took it over, and the token drawn there.
        """
        vocabulary = self.tree.logits.shape[1]
        children = branch(self.rows, taken * vocabulary + last, self.tree.slots, going)
        lengths, chains = self._chains(children, proposer)
        room = self.draws.steps - lengths  # the token of the last step is never read
        counts = 1 + (chains >= 0).long().cumprod(1).sum(1).minimum(room - 1)
        counts = counts.minimum((self.positions // children.counts[0].clamp(min=1)).clamp(min=1))
        counts = counts.where(self.tree.there(children), 0)
        goes = torch.arange(len(taken), device=taken.device) < children.counts[2]
        pairs = counts[children.rows].where(goes, 0).sum()
        block = torch.cat(((children.tokens % vocabulary)[:, None], chains), dim=1)
        going_on, broken, self.pairs = self.tree.go_far(children, lengths - 1, counts, block, alarm, pairs)
        if broken or not going_on:
            return False
        self.samples, self.rows = self.samples[children.order[:going_on]], children.rows[:going_on]
        read = self.tree.spans
        self.starts, self.counts = read.starts, read.lengths
        block = block[: len(read.lengths), : read.size.widest]
        inside = torch.arange(block.shape[1], device=block.device) < read.lengths[:, None]
        self.block = block.where(inside, -1)
        return True

    def _chains(self, children: Children, proposer: Proposer) -> tuple[Tensor, Tensor]:
        """Of each new row (S,), how many tokens were drawn for it, and what may follow on them (S, L), -1 after that.

        Where there is no new row a single token stands for its text.
        """
        size = len(children.order)
        number = torch.arange(size, device=self.rows.device)
        rows = children.rows.where(number < children.counts[2], size)
        some = number.new_zeros(size + 1).scatter_(0, rows, self.samples[children.order])[:size]  # any of a row will do
        there = self.tree.there(children)
        lengths = self.lengths[some].where(there, 1)
        return lengths, proposer.chains(self.draws.tokens[some], lengths.where(there, 0))
