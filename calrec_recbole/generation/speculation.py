"""Exact speculative sampling down the tree of prefixes: a pass reads what was drawn and what may come next.

A sample draws its token of step t by its own uniform number of step t, whatever was read before. So proposals decide
how many passes there are, and never which samples: those are `descend`'s, up to float rounding. Speculative sampling
(Leviathan et al. 2023, https://arxiv.org/abs/2211.17192) in its simplest case, where a proposal is certain: the token
is drawn from the model's own distribution, and the proposal holds where it is the token drawn.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.generation.draws import draw
from calrec_recbole.generation.proposals import Proposer
from calrec_recbole.generation.shared_prefix.descent import Descent, Drawn
from calrec_recbole.generation.shared_prefix.tree import branch


def speculate(
    model: PreTrainedModel,
    prompts: list[Tensor],
    uniforms: Tensor,
    temperature: float,
    ends: list[int],
    proposer: Proposer,
) -> Drawn:
    """The samples of `descend` in fewer passes: each row reads its drawn token and the chain proposed after it."""
    walk = _Walk(model, prompts, uniforms, temperature, ends)
    while walk.go():
        texts, lengths = walk.texts()
        chains = torch.from_numpy(proposer.chains(texts.cpu().numpy(), lengths.cpu().numpy()))
        walk.read(chains.to(model.device), lengths)
    users, steps, n = uniforms.shape
    memory = walk.tree.memory
    return Drawn(walk.tokens.view(users, n, steps), walk.nats.view(users, n), memory.passes, memory.reads)


class _Walk:
    """U * n samples on their way down. S of them still go on, each on one of the R rows of the last pass.

    ``block`` (R, W) is what each row read in it, -1 after its last token; ``starts`` (R,) its first row of the logits.
    """

    def __init__(
        self, model: PreTrainedModel, prompts: list[Tensor], uniforms: Tensor, temperature: float, ends: list[int]
    ):
        users, self.steps, n = uniforms.shape
        device = model.device
        self.uniforms = uniforms.to(device).transpose(1, 2).flatten(0, 1)  # (U, T, n) -> (U * n, T)
        self.temperature, self.end_ids = temperature, torch.tensor(ends, device=device)
        self.tokens = torch.full((users * n, self.steps), -1, device=device)
        self.nats = torch.zeros(users * n, dtype=torch.float64, device=device)
        self.lengths = torch.zeros(users * n, dtype=torch.int64, device=device)  # tokens drawn for each sample
        self.samples = torch.arange(users * n, device=device)  # (S,)
        self.rows = self.samples // n  # (S,) the row of each
        self.tree = Descent(model, prompts, users * n, self.steps)
        self.starts = torch.arange(users, device=device)
        self.block = torch.zeros(users, 1, dtype=torch.int64, device=device)  # the prompt's last token stands for it

    def go(self) -> bool:
        """Every sample draws along its row's tokens, as far as the row read what it draws; whether any goes on.

        It leaves where it draws another token, where it ends, or after the last token of the row.
        """
        drawn, nats = self._draw()
        ending = torch.isin(drawn, self.end_ids)
        read_next = torch.nn.functional.pad(self.block[:, 1:], (0, 1), value=-1)[self.rows]  # (S, W)
        follows = (drawn == read_next) & (drawn >= 0) & ~ending
        taken = follows.long().cumprod(1).sum(1)  # (S,) tokens of the row that each takes over
        used = torch.arange(drawn.shape[1], device=drawn.device) <= taken[:, None]
        self.nats[self.samples] += (nats * used).sum(1)
        sample, place = (used & ~ending).nonzero(as_tuple=True)
        which = self.samples[sample]
        self.tokens[which, self.lengths[which] + place] = drawn[sample, place]
        self.lengths[self.samples] += taken + 1
        last = drawn.gather(1, taken[:, None])[:, 0]
        going = ~torch.isin(last, self.end_ids) & (self.lengths[self.samples] < self.steps)
        self.samples, rows = self.samples[going], self.rows[going]
        if not len(self.samples):
            return False
        vocabulary = self.tree.logits.shape[1]  # a child is a row, how far one takes it over, and the token drawn there
        self.children = branch(rows, taken[going] * vocabulary + last[going])
        self.rows = self.children.rows
        return True

    def texts(self) -> tuple[Tensor, Tensor]:
        """Of each row to be read next, the tokens drawn so far (K, T), -1 after the last, and their number (K,)."""
        some = torch.empty_like(self.children.parents)
        some[self.rows] = self.samples  # any sample of a row will do
        return self.tokens[some], self.lengths[some]

    def read(self, chains: Tensor, lengths: Tensor) -> None:
        """A pass over each row's drawn token, the last of ``lengths`` (K,), and after it its chain in (K, L)."""
        drawn = self.children.tokens % self.tree.logits.shape[1]
        room = self.steps - lengths  # the token of the last step is never read
        chains = chains[:, : max(0, int(room.max()) - 1)]
        counts = 1 + (chains >= 0).long().cumprod(1).sum(1).minimum(room - 1)
        block = torch.cat((drawn[:, None], chains), dim=1)[:, : int(counts.max())]
        self.block = block.where(torch.arange(block.shape[1], device=block.device) < counts[:, None], -1)
        self.starts = self.tree.read_spans(self.children, lengths - 1, self.block, counts).starts

    def _draw(self) -> tuple[Tensor, Tensor]:
        """For every sample a token at every place of its row, as if it took over all before -> (S, W) ids and nats.

        -1 and 0 nats where the row read fewer than W tokens.
        """
        reached = self.block[self.rows] >= 0
        sample, place = reached.nonzero(as_tuple=True)
        positions, order = (self.starts[self.rows[sample]] + place).sort()
        sample, place = sample[order], place[order]
        which = self.samples[sample]
        chances = self.uniforms[which, self.lengths[which] + place]
        found, nats = draw(self.tree.logits, positions, chances, self.temperature, self.end_ids)
        drawn = torch.full(reached.shape, -1, device=found.device)
        every = torch.zeros(reached.shape, dtype=torch.float64, device=found.device)
        drawn[sample, place], every[sample, place] = found, nats.double()
        return drawn, every
