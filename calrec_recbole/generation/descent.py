"""From the prompts down the tree of prefixes: one forward pass a depth, for all users of a batch at once."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.generation.draws import draw
from calrec_recbole.generation.memory import Memory
from calrec_recbole.generation.tree import Children, branch


def descend(
    model: PreTrainedModel, prompts: list[Tensor], uniforms: Tensor, temperature: float, ends: list[int]
) -> tuple[Tensor, Tensor]:
    """n samples of each of U prompts, by ``uniforms`` (U, T, n) -> tokens (U, n, T), log-probabilities (U, n).

    Tokens are -1 from the end token on; log-probabilities are at temperature 1, nats, float64. The model's attention
    must be the shared one (`sharing_prompts`).
    """
    users, steps, n = uniforms.shape
    device = model.device
    uniforms = uniforms.to(device).transpose(1, 2).flatten(0, 1)  # (U, T, n) -> (U * n, T)
    tokens = torch.full((users * n, steps), -1, device=device)
    nats = torch.zeros(users * n, dtype=torch.float64, device=device)
    end_ids = torch.tensor(ends, device=device)
    memory = Memory([len(prompt) for prompt in prompts], users * n, steps, device)
    samples = torch.arange(users * n, device=device)  # the samples that go on, in the order of their rows
    rows = samples // n  # the row of each
    logits = read_prompts(model, memory, torch.cat(prompts).to(device))
    for step in range(steps):
        drawn, logprobs = draw(logits, rows, uniforms[samples, step], temperature, end_ids)
        nats[samples] += logprobs
        going = ~torch.isin(drawn, end_ids)
        samples, rows, drawn = samples[going], rows[going], drawn[going]
        tokens[samples, step] = drawn
        if step + 1 == steps or not len(samples):
            break
        children = branch(rows, drawn)
        logits = read_rows(model, memory, children)
        rows, order = children.rows.sort()
        samples = samples[order]
    return tokens.view(users, n, steps), nats.view(users, n)


def read_prompts(model: PreTrainedModel, memory: Memory, tokens: Tensor) -> Tensor:
    """All prompts one after the other, (N,) token ids -> (U, V) logits after each prompt's last token."""
    return _forward(model, memory, tokens, memory.lengths.cumsum(0) - 1)


def read_rows(model: PreTrainedModel, memory: Memory, children: Children) -> Tensor:
    """One token more, for K new rows -> (K, V) logits."""
    memory.descend(children.parents, children.source, children.target)
    return _forward(model, memory, children.tokens, torch.arange(len(children.tokens), device=children.tokens.device))


def _forward(model: PreTrainedModel, memory: Memory, tokens: Tensor, keep: Tensor) -> Tensor:
    """A pass over packed tokens (N,), the model's head on the positions ``keep`` (K,) alone -> (K, V)."""
    logits: Tensor = model(
        input_ids=tokens[None],
        position_ids=memory.positions[None],
        past_key_values=memory,
        use_cache=True,
        logits_to_keep=keep,
    ).logits[0]
    return logits
