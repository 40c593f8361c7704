"""Log-probabilities of given texts: the history is read once; whole texts in one pass, or prefixes that they share."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import DataError
from calrec_recbole.generation.categorical import CACHED
from calrec_recbole.generation.requirements import check_layers, check_prompts, end_ids
from calrec_recbole.generation.shared_prefix.memory_budget import Budget, in_halves, room_of
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder
from calrec_recbole.generation.weights import decoder_of

__all__ = ["next_logprobs", "text_logprobs"]

END, CUT = -1, -2  # in the place of a token: the end, or nothing more

Text = tuple[int, ...]


def text_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int] | Tensor],
    texts: Sequence[Sequence[Sequence[int]]],
    *,
    memory_bytes: int | None = None,
    at_once: bool | None = None,
    steps: int | None = None,
) -> list[NDArray[np.float64]]:
    """log P(text, end token | prompt) for every one of ``texts[u]`` (token ids, without the end) -> (len(texts[u]),).

    Nats at temperature 1. Several end ids are one event. Equal texts of a prompt get the very same number.
    ``memory_bytes`` is that of `sample`; where a prompt's texts exceed it, the prompt is read again for the others.
    ``at_once`` reads whole texts in one pass; else a prefix that several share is read once, a token a pass. By default
    as the device has it: a pass costs a GPU more than its tokens do, a CPU less. A text of ``steps`` tokens was cut
    there: no end token counts. Raises DataError (a prompt or a text) or BackboneError, as `sample` does.
    """
    check_layers(model)
    ends = end_ids(model)
    rows = [torch.as_tensor(prompt, dtype=torch.int64).flatten().cpu() for prompt in prompts]
    if len(texts) != len(rows):
        raise DataError(f"texts are given for {len(texts)} prompts of {len(rows)}: give a list of texts a prompt")
    wanted = [[tuple(int(token) for token in text) for text in own] for own in texts]
    check_prompts(model, [torch.tensor(text) for own in wanted for text in own if text], 0, "texts")
    longest = max((len(text) for own in wanted for text in own), default=0)
    check_prompts(model, rows, longest + 1)
    nats: list[dict[Text, float]] = [{} for _ in rows]
    if not rows:
        return []
    decoder = decoder_of(model)
    room = room_of(model.device) if memory_bytes is None else memory_bytes
    whole = model.device.type != "cpu" if at_once is None else at_once
    budget = Budget(decoder, room, 1, longest + 1, whole=whole)
    parts = _parts(budget, rows, [list(dict.fromkeys(own)) for own in wanted])
    budget = replace(budget, n=max((len(own) for _, own in parts), default=1))

    def run(batch: list[int]) -> None:
        users, own = zip(*(parts[place] for place in batch), strict=True)
        score = _score_whole if whole else _score_down_the_tree
        values = score(budget, [rows[user] for user in users], list(own), ends, steps)
        for user, its, found in zip(users, own, values, strict=True):
            nats[user].update(zip(its, found, strict=True))

    with torch.inference_mode(), decoder.passing():
        in_halves(budget.batches([len(rows[user]) for user, _ in parts]), run)
    return [np.array([found[text] for text in own]) for found, own in zip(nats, wanted, strict=True)]


def _parts(budget: Budget, prompts: list[Tensor], texts: list[list[Text]]) -> list[tuple[int, list[Text]]]:
    """Each prompt's number with as many of its texts as the room holds at once, at least one; none is left out."""
    parts = []
    for user, (prompt, own) in enumerate(zip(prompts, texts, strict=True)):
        at_once = budget.rows_of(len(prompt), len(own))
        parts += [(user, own[start : start + at_once]) for start in range(0, len(own), at_once)]
    return parts


def _score_down_the_tree(
    budget: Budget, prompts: list[Tensor], texts: list[list[Text]], ends: list[int], steps: int | None
) -> list[list[float]]:
    """The nats of distinct ``texts`` after each prompt; a text walks down the tree by its own tokens."""
    device = budget.decoder.device
    flat = [text for own in texts for text in own]
    lengths = torch.tensor([len(text) for text in flat], device=device)
    width = int(lengths.max())
    padded = [[*text, *[0] * (width - len(text))] for text in flat]
    tokens = torch.tensor(padded, dtype=torch.int64, device=device).view(len(flat), width)
    nats = torch.zeros(len(flat), dtype=torch.float64, device=device)
    end_ids = torch.tensor(ends, device=device)
    going = torch.arange(len(flat), device=device)
    rows = torch.repeat_interleave(
        torch.arange(len(texts), device=device), torch.tensor([len(own) for own in texts], device=device)
    )
    tree = PrefixDecoder(budget.decoder, prompts, len(flat), width + 1, budget.prompt_tokens)
    for step in range(width + 1):
        ended = lengths[going] == step
        if step != steps:
            nats[going[ended]] += next_logprobs(tree.logits, rows[ended], None, end_ids)
        going, rows = going[~ended], rows[~ended]
        if not len(going):
            break
        following = tokens[going, step]
        nats[going] += next_logprobs(tree.logits, rows, following, end_ids)
        rows = tree.read(rows, following)
    return [part.tolist() for part in nats.cpu().split([len(own) for own in texts])]


def _score_whole(
    budget: Budget, prompts: list[Tensor], texts: list[list[Text]], ends: list[int], steps: int | None
) -> list[list[float]]:
    """The nats of distinct ``texts`` after each prompt, all of them read in one pass."""
    decoder, counts = budget.decoder, [len(own) for own in texts]
    end_ids = torch.tensor(ends, device=decoder.device)
    flat = [text for own in texts for text in own]
    users = [user for user, own in enumerate(texts) for _ in own]
    tree = PrefixDecoder(decoder, prompts, len(flat), budget.steps, budget.prompt_tokens)
    first = torch.tensor([text[0] if text else END for text in flat], device=decoder.device)
    begins = _given(tree.logits[torch.tensor(users, device=decoder.device)], first, end_ids)
    full = [place for place, text in enumerate(flat) if text]
    if full:
        last = [CUT if len(flat[place]) == steps else END for place in full]
        following = [token for place, end in zip(full, last, strict=True) for token in (*flat[place][1:], end)]
        hidden = tree.read_texts([users[place] for place in full], [flat[place] for place in full])
        size = max(1, budget.piece // decoder.config.vocab_size)
        pieces = zip(hidden.split(size), torch.tensor(following, device=decoder.device).split(size), strict=True)
        goes_on = torch.cat([_given(decoder.logits(part), wanted, end_ids) for part, wanted in pieces])
        owners = torch.repeat_interleave(
            torch.tensor(full, device=decoder.device),
            torch.tensor([len(flat[place]) for place in full], device=decoder.device),
            output_size=len(goes_on),
        )
        begins.index_add_(0, owners, goes_on)
    return [part.tolist() for part in begins.cpu().split(counts)]


def _given(logits: Tensor, tokens: Tensor, end_ids: Tensor) -> Tensor:
    """log P of each of ``tokens`` (S,), or `END`, by the (S, V) ``logits`` -> (S,) float64, nats; 0 for `CUT`."""
    logits = logits.float()
    own = logits.gather(1, tokens.clamp(min=0)[:, None])[:, 0]
    ends = logits[:, end_ids].logsumexp(-1)
    return (own.where(tokens >= 0, ends) - logits.logsumexp(-1)).where(tokens != CUT, 0.0).double()


def next_logprobs(logits: Tensor, rows: Tensor, tokens: Tensor | None, end_ids: Tensor) -> Tensor:
    """log P of each of ``tokens`` (S,) after ``rows`` (S,) of the (R, V) ``logits`` -> (S,) float64, nats.

    Without ``tokens``, that of the end: the log of the summed probability of ``end_ids``.
    """
    step = max(1, CACHED // logits.shape[1]) if logits.device.type == "cpu" else len(logits)
    totals = torch.cat([part.float().logsumexp(-1) for part in logits.split(step)])
    own = logits[:, end_ids].float().logsumexp(-1)[rows] if tokens is None else logits[rows, tokens].float()
    return (own - totals[rows]).double()
