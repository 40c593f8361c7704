"""Log-probabilities of given texts: the history is read once, and a prefix that several texts share is read once."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import DataError
from calrec_recbole.generation.requirements import check_layers, check_prompts, end_ids
from calrec_recbole.generation.shared_prefix.budget import batches, free_bytes, prompt_bytes
from calrec_recbole.generation.shared_prefix.decoder import Decoder
from calrec_recbole.generation.shared_prefix.descent import Descent
from calrec_recbole.generation.weights import decoder_of

__all__ = ["next_logprobs", "text_logprobs"]

CHUNK = 1 << 19  # logits handled at once (2 MiB of float32), so that the passes over them stay in the cache


def text_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int] | Tensor],
    texts: Sequence[Sequence[Sequence[int]]],
    *,
    memory_bytes: int | None = None,
) -> list[NDArray[np.float64]]:
    """log P(text, end token | prompt) for every one of ``texts[u]`` (token ids, without the end) -> (len(texts[u]),).

    Nats at temperature 1. Several end ids are one event. Equal texts of a prompt get the very same number.
    ``memory_bytes`` is that of `sample`; where a prompt's texts exceed it, the prompt is read again for the others.
    Raises DataError (a prompt or a text) or BackboneError, as `sample` does.
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
    nats: list[dict[tuple[int, ...], float]] = [{} for _ in rows]
    if not rows:
        return []
    decoder = decoder_of(model)
    with torch.inference_mode(), decoder.passing():
        room = free_bytes(model.device) if memory_bytes is None else memory_bytes
        parts = _parts(model, rows, [list(dict.fromkeys(own)) for own in wanted], longest + 1, room)
        most = max((len(own) for _, own in parts), default=0)
        for batch in batches(model, [rows[user] for user, _ in parts], most, longest + 1, room):
            users, own = zip(*(parts[place] for place in batch), strict=True)
            values = _score(decoder, [rows[user] for user in users], list(own), ends)
            for user, its, found in zip(users, own, values, strict=True):
                nats[user].update(zip(its, found, strict=True))
    return [np.array([found[text] for text in own]) for found, own in zip(nats, wanted, strict=True)]


def _parts(
    model: PreTrainedModel, prompts: list[Tensor], texts: list[list[tuple[int, ...]]], steps: int, room: int
) -> list[tuple[int, list[tuple[int, ...]]]]:
    """Each prompt's number with as many of its texts as ``room`` bytes hold at once, at least one; none is left out."""
    parts = []
    for user, (prompt, own) in enumerate(zip(prompts, texts, strict=True)):
        alone, both = (prompt_bytes(model, len(prompt), n, steps) for n in (1, 2))
        at_once = 1 + max(0, room - alone) // (both - alone)
        parts += [(user, own[start : start + at_once]) for start in range(0, len(own), at_once)]
    return parts


def _score(
    decoder: Decoder, prompts: list[Tensor], texts: list[list[tuple[int, ...]]], ends: list[int]
) -> list[list[float]]:
    """The nats of distinct ``texts`` after each prompt; a text walks down the tree by its own tokens."""
    device = decoder.device
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
    tree = Descent(decoder, prompts, len(flat), width + 1)
    for step in range(width + 1):
        ended = lengths[going] == step
        nats[going[ended]] += next_logprobs(tree.logits, rows[ended], None, end_ids)
        going, rows = going[~ended], rows[~ended]
        if not len(going):
            break
        following = tokens[going, step]
        nats[going] += next_logprobs(tree.logits, rows, following, end_ids)
        rows = tree.read(rows, following)
    return [part.tolist() for part in nats.cpu().split([len(own) for own in texts])]


def next_logprobs(logits: Tensor, rows: Tensor, tokens: Tensor | None, end_ids: Tensor) -> Tensor:
    """log P of each of ``tokens`` (S,) after ``rows`` (S,) of the (R, V) ``logits`` -> (S,) float64, nats.

    Without ``tokens``, that of the end: the log of the summed probability of ``end_ids``.
    """
    step = max(1, CHUNK // logits.shape[1])
    totals = torch.cat([part.float().logsumexp(-1) for part in logits.split(step)])
    own = logits[:, end_ids].float().logsumexp(-1)[rows] if tokens is None else logits[rows, tokens].float()
    return (own - totals[rows]).double()
