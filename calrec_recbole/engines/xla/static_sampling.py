"""Sampling for XLA, which compiles every new shape for seconds: one shape for all prompts of like length.

No tree and no keys and values here: each step reads the n rows of a prompt from their beginning. The distribution is
that of `sample`; which samples a seed gives is not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.xla.lazy_graph import finish_graph
from calrec_recbole.generation.requirements import check_prompts, check_settings, end_ids
from calrec_recbole.generation.sampling import Sample, distinct_samples, uniforms_of

__all__ = ["StaticSampler", "draw_in_fixed_shapes"]

SHORTEST = 64  # tokens of a row


class StaticSampler:
    """Draws samples of ``backbone`` on its device; see ``recommender.Draw``."""

    def __init__(self, backbone: Backbone) -> None:
        self.model: PreTrainedModel = backbone.model

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> list[list[Sample]]:
        """``n`` draws of each prompt, as ``sample`` returns them. Raises as ``sample`` does."""
        check_settings(n, temperature, max_new_tokens)
        rows = [torch.as_tensor(prompt, dtype=torch.int64) for prompt in prompts]
        check_prompts(self.model, rows, max_new_tokens)
        ends = end_ids(self.model)
        return [
            distinct_samples(
                *draw_in_fixed_shapes(self.model, row, uniforms_of(seed, max_new_tokens, n), temperature, ends)
            )
            for row, seed in zip(rows, seeds, strict=True)
        ]


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
