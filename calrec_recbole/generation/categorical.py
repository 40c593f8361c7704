"""Draws from next-token distributions by one cumulative sum and a search, instead of `torch.multinomial`."""

import torch
from torch import Tensor

BLOCK = 128  # tokens a block: the search runs over block sums first, then inside one block
CACHED = 1 << 19  # logits at once on a CPU (2 MiB of float32), so that the passes over them stay in the cache


def draw(
    logits: Tensor, rows: Tensor, uniforms: Tensor, temperature: float, end_ids: Tensor, at_once: int | None = None
) -> tuple[Tensor, Tensor]:
    """One token for each of S samples, sample s from row ``rows[s]`` of the (R, V) ``logits`` -> (S,) ids, (S,) nats.

    The token has probability softmax(logits / temperature), up to float rounding; a token of probability zero is
    never drawn. The log-probability is at temperature 1, whatever the draw's temperature was. The ids in ``end_ids``
    are one event: each of them carries the log of their summed probability. Nats are NaN where logits are.

    ``rows`` is int64, ``uniforms`` float64 in [0, 1). ``at_once`` logits are handled together, by default what
    `logits_at_once` says of the device.
    """
    step = max(1, (at_once or logits_at_once(logits.device)) // logits.shape[1])
    parts = [_row_sums(part, temperature) for part in (logits.split(step) if len(logits) > step else [logits])]
    sums, peaks, totals = (torch.cat(one) if len(one) > 1 else one[0] for one in zip(*parts, strict=True))
    upper = sums.cumsum(-1, dtype=torch.float64)[rows]  # (S, V / BLOCK): float64, so that no small weight is lost
    block, rest = _search(upper, uniforms * upper[:, -1])
    index = block[:, None] * BLOCK + torch.arange(BLOCK, device=logits.device)
    inside = index < logits.shape[1]
    values = logits[rows[:, None], index.where(inside, 0)].float()  # (S, BLOCK)
    weights = ((values - peaks[rows][:, None]) / temperature).exp() * inside
    place, _ = _search(weights.cumsum(-1, dtype=torch.float64), rest)
    tokens = block * BLOCK + place
    ends = (logits[:, end_ids].float().logsumexp(-1) - totals)[rows]
    own = values.gather(1, place[:, None])[:, 0] - totals[rows]
    return tokens, ends.where(torch.isin(tokens, end_ids), own)


def logits_at_once(device: torch.device) -> int:
    """As many as a CPU's cache holds; on other devices all, for the memory of a batch is reckoned with them."""
    return CACHED if device.type == "cpu" else 1 << 62


def _row_sums(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of softmax(logits / temperature), up to a factor a row, the sums (R, V / BLOCK) over blocks; the largest logits
    (R,), by which the factor is told; and the logs of the softmaxes' sums at temperature 1 (R,). All float32."""
    peaks = logits.amax(-1).float()
    below = logits - peaks[:, None]  # float32
    totals = below.exp().sum(-1).log() + peaks
    weights = below.div_(temperature).exp_()
    short = -weights.shape[1] % BLOCK
    if short:
        weights = torch.nn.functional.pad(weights, (0, short))
    return weights.view(len(weights), -1, BLOCK).sum(-1), peaks, totals


def _search(cumulative: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Per row, the first index whose cumulative sum exceeds ``wanted``, and what ``wanted`` has left there.

    ``wanted`` is held below the row's total: rounding must not step past the last weight that is not zero.
    """
    total = cumulative[:, -1]
    wanted = torch.minimum(wanted, torch.nextafter(total, torch.zeros_like(total)))
    index = torch.searchsorted(cumulative, wanted[:, None], right=True)
    index = index.clamp_(max=cumulative.shape[1] - 1)  # NaN finds no place at all
    below = torch.where(index > 0, cumulative.gather(1, (index - 1).clamp_(min=0)), 0.0)
    return index[:, 0], wanted - below[:, 0]
