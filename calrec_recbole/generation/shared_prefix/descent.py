"""From the prompts down a tree of prefixes: one forward pass a depth, for all users of a batch at once."""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.generation.draws import draw
from calrec_recbole.generation.shared_prefix.key_values import Memory
from calrec_recbole.generation.shared_prefix.packing import Spans
from calrec_recbole.generation.shared_prefix.tree import Children, branch


class Drawn(NamedTuple):
    """n samples of each of U prompts, and what they cost."""

    tokens: Tensor  # (U, n, T), -1 from the end token on
    nats: Tensor  # (U, n) float64, log-probabilities at temperature 1
    passes: Tensor  # (U,) passes that read a token of the user, the prompt's among them
    reads: Tensor  # (U,) tokens read after the prompt


class Descent:
    """The rows of a batch: distinct prefixes, at first the U prompts themselves, one token longer with each `read`.

    ``logits`` (R, V) are those after each row. The model's attention must be the shared one (`sharing_prompts`).
    """

    def __init__(self, model: PreTrainedModel, prompts: list[Tensor], max_rows: int, max_steps: int):
        """``prompts``: U tensors of token ids. At most ``max_rows`` rows and ``max_steps`` tokens come after them."""
        self.model = model
        self.memory = Memory([len(prompt) for prompt in prompts], max_rows, max_steps, model.device)
        self.logits = self._forward(torch.cat(prompts).to(model.device), self.memory.lengths.cumsum(0) - 1)

    def read(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """The prefix of ``rows`` (S,) with one of ``tokens`` (S,) after it -> (S,) the row of each.

        Equal ones share a row; the rows that nobody goes on from are forgotten.
        """
        children = branch(rows, tokens)
        self.memory.descend(children.parents, children.source, children.target)
        self.logits = self._forward(children.tokens, torch.arange(len(children.tokens), device=tokens.device))
        return children.rows

    def read_spans(self, children: Children, depths: Tensor, tokens: Tensor, lengths: Tensor) -> Spans:
        """Reads ``lengths`` (K,) of ``tokens`` (K, W) for ``children`` of the rows; ``logits`` (N, V) are after each.

        Of the suffix of child k the first ``depths[k]`` tokens stand; the others were not drawn, and are written over.
        """
        spans = Spans(depths, lengths)
        self.memory.descend(children.parents, children.source, children.target, spans)
        packed = spans.layout.pack(tokens)
        self.logits = self._forward(packed, torch.arange(len(packed), device=tokens.device))
        return spans

    def _forward(self, tokens: Tensor, keep: Tensor) -> Tensor:
        """A pass over packed tokens (N,), the model's head on the positions ``keep`` (K,) alone -> (K, V)."""
        logits: Tensor = self.model(
            input_ids=tokens[None],
            position_ids=self.memory.positions[None],
            past_key_values=self.memory,
            use_cache=True,
            logits_to_keep=keep,
        ).logits[0]
        return logits


def descend(
    model: PreTrainedModel, prompts: list[Tensor], uniforms: Tensor, temperature: float, ends: list[int]
) -> Drawn:
    """n samples of each of U prompts, by ``uniforms`` (U, T, n), one token a pass.

    The model's attention must be the shared one (`sharing_prompts`).
    """
    users, steps, n = uniforms.shape
    device = model.device
    uniforms = uniforms.to(device).transpose(1, 2).flatten(0, 1)  # (U, T, n) -> (U * n, T)
    tokens = torch.full((users * n, steps), -1, device=device)
    nats = torch.zeros(users * n, dtype=torch.float64, device=device)
    end_ids = torch.tensor(ends, device=device)
    samples = torch.arange(users * n, device=device)  # the samples that go on, in the order of their rows
    rows = samples // n  # the row of each
    tree = Descent(model, prompts, users * n, steps)
    for step in range(steps):
        drawn, logprobs = draw(tree.logits, rows, uniforms[samples, step], temperature, end_ids)
        nats[samples] += logprobs
        going = ~torch.isin(drawn, end_ids)
        samples, rows, drawn = samples[going], rows[going], drawn[going]
        tokens[samples, step] = drawn
        if step + 1 == steps or not len(samples):
            break
        rows, order = tree.read(rows, drawn).sort()
        samples = samples[order]
    return Drawn(tokens.view(users, n, steps), nats.view(users, n), tree.memory.passes, tree.memory.reads)
