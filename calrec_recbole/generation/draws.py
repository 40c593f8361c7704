"""Draws from next-token distributions by one cumulative sum and a search, instead of `torch.multinomial`."""

import torch
from torch import Tensor

from calrec_recbole.errors import BackboneError

BLOCK = 128  # tokens a block: the search runs over block sums first, then inside one block
CHUNK = 1 << 19  # logits handled at once (2 MiB of float32), so that the passes over them stay in the cache


def draw(logits: Tensor, rows: Tensor, uniforms: Tensor, temperature: float, end_ids: Tensor) -> tuple[Tensor, Tensor]:
    """One token for each of S samples, sample s from row ``rows[s]`` of the (R, V) ``logits`` -> (S,) ids, (S,) nats.

    The token has probability softmax(logits / temperature), up to float rounding; a token of probability zero is
    never drawn. The log-probability is at temperature 1, whatever the draw's temperature was. The ids in ``end_ids``
    are one event: each of them carries the log of their summed probability.

    ``rows`` is int64 and ascending, ``uniforms`` float64 in [0, 1).
    """
    step = max(1, CHUNK // logits.shape[1])
    if len(logits) <= step:
        return _draw(logits, rows, uniforms, temperature, end_ids)
    edges = range(0, len(logits), step)
    cuts = torch.searchsorted(rows, torch.tensor([*edges[1:]], device=rows.device)).tolist()
    parts = [
        _draw(logits[row : row + step], rows[start:stop] - row, uniforms[start:stop], temperature, end_ids)
        for row, start, stop in zip(edges, [0, *cuts], [*cuts, len(rows)], strict=True)
    ]
    tokens, logprobs = zip(*parts, strict=True)
    return torch.cat(tokens), torch.cat(logprobs)


def _draw(logits: Tensor, rows: Tensor, uniforms: Tensor, temperature: float, end_ids: Tensor) -> tuple[Tensor, Tensor]:
    logprobs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    tokens = search(torch.softmax(logprobs / temperature, dim=-1), rows, uniforms)
    ending = torch.isin(tokens, end_ids)
    end = logprobs[:, end_ids].logsumexp(-1)
    return tokens, torch.where(ending, end[rows], logprobs[rows, tokens])


def search(weights: Tensor, rows: Tensor, uniforms: Tensor) -> Tensor:
    """The first index i of row r with cumsum(weights[r])[i] > uniform * sum(weights[r]) -> (S,) int64.

    ``weights``: (R, V) float32, not negative, not all zero. Sums over blocks first, in float64 across blocks and
    inside the one block of each sample, so that small weights are not lost in a long float32 sum. Raises BackboneError
    on NaN.
    """
    short = -weights.shape[1] % BLOCK
    if short:
        weights = torch.nn.functional.pad(weights, (0, short))
    blocks = weights.view(len(weights), -1, BLOCK)
    upper = blocks.sum(-1).cumsum(-1, dtype=torch.float64)[rows]  # (S, V / BLOCK)
    if upper[:, -1].isnan().any():
        raise BackboneError("the model's logits are not numbers (NaN); its training has diverged: lower learning_rate")
    block, rest = _search_row(upper, uniforms * upper[:, -1])
    inside = blocks[rows, block].cumsum(-1, dtype=torch.float64)  # (S, BLOCK)
    index, _ = _search_row(inside, rest)
    return block * BLOCK + index


def _search_row(cumulative: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Per row, the first index whose cumulative sum exceeds ``wanted``, and what ``wanted`` has left there.

    ``wanted`` is held below the row's total: rounding must not step past the last weight that is not zero.
    """
    total = cumulative[:, -1]
    wanted = torch.minimum(wanted, torch.nextafter(total, torch.zeros_like(total)))
    index = torch.searchsorted(cumulative, wanted[:, None], right=True)
    below = torch.where(index > 0, cumulative.gather(1, (index - 1).clamp_(min=0)), 0.0)
    return index[:, 0], wanted - below[:, 0]
