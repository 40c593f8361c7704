"""Sampling for XLA, which compiles every new shape for seconds: one shape for all prompts of like length.

No tree and no keys and values here: each step reads the n rows of a prompt from their beginning. The distribution is
that of `sample`; which samples a seed gives is not.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.engines.xla.lazy_graph import finish_graph

SHORTEST = 64  # tokens of a row


@torch.no_grad()
def draw_in_fixed_shapes(
    model: PreTrainedModel, prompt: Tensor, uniforms: Tensor, temperature: float, ends: list[int]
) -> tuple[list[list[int]], list[float]]:
    """n samples of one ``prompt`` by ``uniforms`` (T, n): tokens, -1 after the last one, and nats at temperature 1.

    Rows are padded on the right to a power of two of tokens; under causal attention no place sees a pad.
    """
    steps, n = uniforms.shape
    device, training = model.device, model.training
    model.eval()
    width = max(SHORTEST, 1 << (len(prompt) + steps - 1).bit_length())
    rows = torch.zeros(n, width, dtype=torch.int64)
    rows[:, : len(prompt)] = prompt
    rows, chances = rows.to(device), uniforms.to(torch.float32).to(device)
    nats, going = torch.zeros(n, device=device), torch.ones(n, dtype=torch.bool, device=device)
    drawn = []
    finish_graph(device)
    for step in range(steps):
        place = torch.tensor([len(prompt) - 1 + step], device=device)  # as data: a number would be part of the graph
        chance = chances.index_select(0, torch.tensor([step], device=device))[0]
        rows, nats, going, tokens = _step(model, rows, place, chance, nats, going, temperature, ends)
        finish_graph(device)
        drawn.append(tokens.cpu())
        if not bool(going.any()):
            break
    model.train(training)
    found = torch.full((n, steps), -1, dtype=torch.int64)
    found[:, : len(drawn)] = torch.stack(drawn, dim=1)
    return found.tolist(), nats.double().cpu().tolist()


def _step(
    model: PreTrainedModel,
    rows: Tensor,
    place: Tensor,
    chance: Tensor,
    nats: Tensor,
    going: Tensor,
    temperature: float,
    ends: list[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One token more for the rows that go on -> rows, nats, going, and the tokens (n,), -1 where none was added."""
    hidden = model.base_model(input_ids=rows, use_cache=False).last_hidden_state.index_select(1, place)
    logits = model.get_output_embeddings()(hidden)[:, 0].float()
    cap = getattr(model.config, "final_logit_softcapping", None)
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    cumulative = torch.softmax(logits / temperature, dim=-1).cumsum(-1)
    token = (cumulative < chance[:, None] * cumulative[:, -1:]).sum(-1)
    logprobs = logits.log_softmax(-1)
    is_end = torch.stack([token == end for end in ends]).any(0)
    end_event = torch.stack([logprobs[:, end] for end in ends]).logsumexp(0)  # several end ids are one event
    nats = nats + torch.where(going, torch.where(is_end, end_event, logprobs.gather(1, token[:, None])[:, 0]), 0.0)
    going = going & ~is_end
    rows = rows.index_copy(1, place + 1, torch.where(going, token, 0)[:, None])
    return rows, nats, going, torch.where(going, token, -1)
