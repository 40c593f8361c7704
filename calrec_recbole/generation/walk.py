"""Samples on their way down the tree of prefixes, one token a pass."""

from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.generation.categorical import draw
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder
from calrec_recbole.generation.shared_prefix.prefix_tree import branch

__all__ = ["Drawn", "Draws", "decode"]


class Drawn(NamedTuple):
    """n samples of each of U prompts, and what they cost."""

    tokens: Tensor  # (U, n, T), -1 from the end token on
    nats: Tensor  # (U, n) float64, log-probabilities at temperature 1; NaN where the model's logits are
    passes: Tensor  # (U,) passes that read a token of the user, the prompt's among them
    reads: Tensor  # (U,) tokens read after the prompt


class Draws:
    """n draws a step for each of U prompts, by ``uniforms`` (U, T, n) in [0, 1), and what they have come to.

    ``tokens`` (U * n, T) are -1 where nothing was drawn; ``nats`` (U * n,) float64.
    """

    def __init__(self, uniforms: Tensor, temperature: float, ends: list[int], at_once: int | None):
        self.users, self.steps, self.n = uniforms.shape
        self.uniforms, self.temperature, self.ends, self.at_once = uniforms, temperature, ends, at_once

    def begin(self, device: torch.device) -> None:
        size = self.users * self.n
        self.uniforms = self.uniforms.to(device).transpose(1, 2).flatten(0, 1)  # (U, T, n) -> (U * n, T)
        self.end_ids = torch.tensor(self.ends, device=device)
        self._written = torch.full((size * self.steps + 1,), -1, device=device)  # the last takes what is none
        self.tokens = self._written[:-1].view(size, self.steps)
        self.nats = torch.zeros(size, dtype=torch.float64, device=device)

    def at(self, logits: Tensor, rows: Tensor, samples: Tensor, steps: Tensor | int) -> tuple[Tensor, Tensor]:
        """What ``samples`` (S,) draw at their ``steps`` from their ``rows`` (S,) of the logits -> (S,) ids and nats."""
        chances = self.uniforms[samples, steps]
        return draw(logits, rows, chances, self.temperature, self.end_ids, self.at_once)

    def ends_at(self, tokens: Tensor) -> Tensor:
        """Whether each is an end token."""
        return torch.isin(tokens, self.end_ids)

    def write(self, samples: Tensor, steps: Tensor | int, tokens: Tensor, wanted: Tensor) -> None:
        """Keeps the ``tokens`` that are ``wanted``; all (S,), or (S, W) of ``samples`` (S, 1)."""
        places = (samples * self.steps + steps).where(wanted, len(self._written) - 1)
        self._written.scatter_(0, places.flatten(), tokens.flatten())

    def drawn(self, tree: PrefixDecoder) -> Drawn:
        shape = self.users, self.n
        return Drawn(self.tokens.view(*shape, self.steps), self.nats.view(shape), tree.passes, tree.reads)


def decode(tree: PrefixDecoder, draws: Draws) -> Drawn:
    """The samples of the prompts of ``tree``, one token a pass."""
    draws.begin(tree.decoder.device)
    samples = torch.arange(draws.users * draws.n, device=tree.decoder.device)  # that go on, in the order of their rows
    rows = samples // draws.n  # the row of each
    for step in range(draws.steps):
        drawn, nats = draws.at(tree.logits, rows, samples, step)
        draws.nats.index_add_(0, samples, nats.double())
        going = ~draws.ends_at(drawn)
        draws.write(samples, step, drawn, going)
        if step + 1 == draws.steps:
            break
        children = branch(rows, drawn, tree.slots, going)
        goes, broken = tree.go(children, nats.isnan().any())
        if broken or not goes:
            break
        samples, rows = samples[children.order[:goes]], children.rows[:goes]
    return draws.drawn(tree)
