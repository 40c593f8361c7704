"""Samples from a language model: n independent draws a prompt at the price of one forward row a distinct prefix."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.generation.proposals import Proposer
from calrec_recbole.generation.requirements import check_layers, check_prompts, check_settings, end_ids
from calrec_recbole.generation.shared_prefix.cuda_graphs import GraphedDecoder, recorded_on_cuda
from calrec_recbole.generation.shared_prefix.lean_decoder import LeanDecoder
from calrec_recbole.generation.shared_prefix.memory_budget import Budget, in_halves, room_of
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder
from calrec_recbole.generation.speculation import speculate
from calrec_recbole.generation.walk import Drawn, Draws, decode
from calrec_recbole.generation.weights import decoder_of

__all__ = ["Sample", "Work", "counted", "distinct_samples", "sample", "uniforms_of"]


class Sample(NamedTuple):
    """A distinct sample of a prompt."""

    token_ids: tuple[int, ...]  # without the end token; max_new_tokens of them only where no end token came
    count: int  # type: ignore[assignment]  # how many of the n draws it was
    logprob: float  # nats at temperature 1, over token_ids and the end token (no end term where none came)


class Work(NamedTuple):
    """What the samples of a prompt cost."""

    passes: int  # forward passes that read a token of this prompt or of its samples, whoever else was in the batch
    tokens: int  # read in them after the prompt


def sample(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int] | Tensor],
    n: int = 32,
    temperature: float = 0.5,
    max_new_tokens: int = 80,
    generator: torch.Generator | None = None,
    *,
    seeds: Sequence[int] | None = None,
    memory_bytes: int | None = None,
    proposer: Proposer | None = None,
    work: list[Work] | None = None,
    dtype: torch.dtype | None = None,
    graphs: bool = False,
    tell: Callable[[int], object] | None = None,
) -> list[list[Sample]]:
    """``n`` independent samples of each prompt (token ids, not empty); per prompt the distinct ones.

    A sample ends with the model's end token, or without one after ``max_new_tokens`` tokens (the end token is one of
    them). Several end ids are one event. The counts of a prompt sum to ``n``. Order: log-probability, highest first,
    then token ids. ``temperature`` is that of the draws; log-probabilities are at temperature 1, in nats.

    The same state of ``generator`` (default: torch's own) and the same prompts give the same samples up to float
    rounding, however the prompts are batched. ``memory_bytes`` bounds what a batch of prompts takes beside the weights
    (default: 1 GiB, on CUDA four fifths of what is free); more of it makes larger batches. ``seeds``, one a prompt,
    take the generator's place: then a prompt's samples do not depend on the other prompts at all. The model keeps its
    attention and its training mode.

    ``proposer`` guesses how a text goes on, so that one pass reads several tokens of it; it changes what is read, and
    no sample but by float rounding. ``work`` is a list that takes what each prompt cost, in their order.
    ``dtype`` is the precision of the passes, by default the model's: in a lower one a copy of the weights is read.
    ``graphs`` records passes as CUDA graphs, of decoders built like Llama where there is the variable-length kernel.
    ``tell`` is called with the number of prompts of each batch that is done, for a bar.

    Raises ConfigError (a setting), DataError (a prompt) or BackboneError (a model that cannot share prompts).
    """
    check_settings(n, temperature, max_new_tokens)
    check_layers(model)
    ends = end_ids(model)
    rows = [torch.as_tensor(prompt, dtype=torch.int64).flatten().cpu() for prompt in prompts]
    check_prompts(model, rows, max_new_tokens)
    source = torch.default_generator if generator is None else generator
    if seeds is None:
        seeds = torch.randint(2**63 - 1, (len(rows),), generator=source, device=source.device).tolist()
    if len(seeds) != len(rows):
        raise ConfigError(f"seeds has {len(seeds)} numbers for {len(rows)} prompts: give one a prompt")
    if not rows:
        return []
    results: list[list[Sample]] = [[] for _ in rows]
    costs = [Work(0, 0) for _ in rows]
    decoder = decoder_of(model, dtype)
    graphs = graphs and _records(decoder)
    if graphs and isinstance(decoder, LeanDecoder):
        decoder = GraphedDecoder(decoder, recorded_on_cuda)
    room = room_of(model.device) if memory_bytes is None else memory_bytes
    places = 1 if proposer is None else 1 + proposer.longest
    budget = Budget(decoder, room, n, max_new_tokens, places, graphs=graphs)

    def run(batch: list[int]) -> None:
        uniforms = torch.stack([uniforms_of(seeds[index], max_new_tokens, n) for index in batch])
        drawn = _drawn(budget, [rows[index] for index in batch], uniforms, temperature, ends, proposer)
        for index, *of_prompt in zip(batch, *(part.tolist() for part in drawn), strict=True):
            ids, nats, *cost = of_prompt
            results[index], costs[index] = distinct_samples(ids, nats), Work(*cost)
        if tell is not None:
            tell(len(batch))

    with torch.inference_mode(), decoder.passing():
        in_halves(budget.batches([len(row) for row in rows]), run)
    if work is not None:
        work += costs
    return results


def _drawn(
    budget: Budget,
    prompts: list[Tensor],
    uniforms: Tensor,
    temperature: float,
    ends: list[int],
    proposer: Proposer | None,
) -> Drawn:
    draws = Draws(uniforms, temperature, ends, budget.logits_at_once)
    tree = PrefixDecoder(budget.decoder, prompts, len(prompts) * budget.n, budget.steps, budget.prompt_tokens)
    if proposer is None:
        drawn = decode(tree, draws)
    else:
        drawn = speculate(tree, draws, proposer, budget.positions(len(prompts)))
    if bool(drawn.nats.isnan().any()):
        raise BackboneError("the model's logits are not numbers (NaN); its training has diverged: lower learning_rate")
    return drawn


def _records(decoder: Decoder) -> bool:
    """Whether passes can be CUDA graphs."""
    return decoder.device.type == "cuda"


def uniforms_of(seed: int, steps: int, n: int) -> Tensor:
    """(steps, n) float64 in [0, 1) of one prompt; they depend on its seed alone, not on who shares its batch."""
    return torch.rand(steps, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def distinct_samples(token_ids: list[list[int]], nats: list[float]) -> list[Sample]:
    """The n samples of one prompt, -1 after their last token -> the distinct ones, sorted."""
    unpadded = (tuple(padded[: padded.index(-1)] if padded[-1] < 0 else padded) for padded in token_ids)
    return counted(zip(unpadded, nats, strict=True))


def counted(drawn: Iterable[tuple[tuple[int, ...], float]]) -> list[Sample]:
    """Draws of one prompt, token ids with nats -> the distinct ones, sorted; of equal ones the highest nats stay."""
    found: dict[tuple[int, ...], tuple[int, float]] = {}
    for ids, logprob in drawn:
        count, best = found.get(ids, (0, logprob))
        found[ids] = (count + 1, max(best, logprob))
    samples = (Sample(ids, count, logprob) for ids, (count, logprob) in found.items())
    return sorted(samples, key=lambda sample: (-sample.logprob, sample.token_ids))
