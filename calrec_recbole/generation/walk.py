"""Samples on their way down the tree of prefixes, one token a pass."""

from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.generation.draws import draw
from calrec_recbole.generation.shared_prefix.decoder import Decoder
from calrec_recbole.generation.shared_prefix.descent import Descent
from calrec_recbole.generation.shared_prefix.tree import branch

__all__ = ["Drawn", "descend"]


class Drawn(NamedTuple):
    """n samples of each of U prompts, and what they cost."""

    tokens: Tensor  # (U, n, T), -1 from the end token on
    nats: Tensor  # (U, n) float64, log-probabilities at temperature 1; NaN where the model's logits are
    passes: Tensor  # (U,) passes that read a token of the user, the prompt's among them
    reads: Tensor  # (U,) tokens read after the prompt


def descend(
    decoder: Decoder,
    prompts: list[Tensor],
    uniforms: Tensor,
    temperature: float,
    ends: list[int],
    prompt_tokens: int | None = None,
) -> Drawn:
    """n samples of each of U prompts, by ``uniforms`` (U, T, n)."""
    users, steps, n = uniforms.shape
    device = decoder.device
    uniforms = uniforms.to(device).transpose(1, 2).flatten(0, 1)  # (U, T, n) -> (U * n, T)
    tokens = torch.full((users * n, steps), -1, device=device)
    nats = torch.zeros(users * n, dtype=torch.float64, device=device)
    end_ids = torch.tensor(ends, device=device)
    samples = torch.arange(users * n, device=device)  # the samples that go on, in the order of their rows
    rows = samples // n  # the row of each
    tree = Descent(decoder, prompts, users * n, steps, prompt_tokens)
    for step in range(steps):
        drawn, logprobs = draw(tree.logits, rows, uniforms[samples, step], temperature, end_ids)
        nats.index_add_(0, samples, logprobs.double())
        going = ~torch.isin(drawn, end_ids)
        tokens[samples, step] = drawn.where(going, -1)
        if step + 1 == steps:
            break
        children = branch(rows, drawn, tree.slots, going)
        goes, broken = tree.go(children, logprobs.isnan().any())
        if broken or not goes:
            break
        samples, rows = samples[children.order[:goes]], children.rows[:goes]
    return Drawn(tokens.view(users, n, steps), nats.view(users, n), tree.passes, tree.reads)
