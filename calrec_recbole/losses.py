"""Equations 1-4 of the paper as pure functions; every loss is minimised and given in nats."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "LossWeights",
    "calrec_loss",
    "info_nce",
    "loss_weights",
    "next_item_generation",
    "summed_nll",
    "token_nll",
]

ROWS_AT_ONCE = 256  # of summed_nll on a CPU: logits of more rows fall out of its cache


def token_nll(logits: Tensor, tokens: Tensor) -> Tensor:
    """-log P(token) of (N,) ``tokens`` under (N, V) ``logits`` -> (N,) float32."""
    return F.cross_entropy(logits.float(), tokens, reduction="none")


def summed_nll(hidden: Tensor, weight: Tensor, tokens: Tensor, rows_at_once: int | None = None) -> Tensor:
    """The sum of ``token_nll(hidden @ weight.T, tokens)`` -> scalar float32, without ever holding (N, V) logits.

    ``hidden`` (N, D), ``weight`` (V, D) of a head without bias, ``tokens`` (N,) int64. The gradient is computed in the
    forward pass, ``rows_at_once`` rows at a time, by default ``ROWS_AT_ONCE``: the order of "Cut Your Losses" (Wijmans
    et al. 2024) and of Liger kernels. Under autocast the products run in its precision and the softmax in float32, as
    in plain operations.
    """
    total: Tensor = _SummedNll.apply(hidden, weight, tokens, rows_at_once or ROWS_AT_ONCE)  # type: ignore[no-untyped-call]
    return total


class _SummedNll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, rows: int) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with torch.autocast(device, enabled=False):
            states, head = hidden.detach().to(dtype), weight.detach().to(dtype)
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            d_hidden, d_weight = (
                torch.zeros_like(part) if wanted else None
                for part, wanted in zip((hidden, weight), ctx.needs_input_grad, strict=False)
            )
            for start in range(0, len(tokens), rows):
                part = slice(start, start + rows)
                logprobs = torch.log_softmax(states[part] @ head.T, dim=-1, dtype=torch.float32)  # (C, V)
                own = tokens[part, None]
                total -= logprobs.gather(1, own).sum()
                if d_hidden is not None or d_weight is not None:
                    error = logprobs.exp_().scatter_add_(1, own, torch.full_like(own, -1, dtype=torch.float32))
                    error = error.to(dtype)
                if d_hidden is not None:
                    d_hidden[part] = error @ head
                if d_weight is not None:
                    d_weight += error.T @ states[part]
        ctx.save_for_backward(d_hidden, d_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        d_hidden, d_weight = (part if part is None else part.mul_(gradients[0]) for part in ctx.saved_tensors)
        return d_hidden, d_weight, None, None


def next_item_generation(nll: Tensor, users: Tensor, n_users: int, reduction: str = "sum") -> Tensor:
    """Eq. 1: the mean over users of the summed negative log-likelihood of the target's tokens -> scalar.

    ``nll`` (N,) holds one value a target token, ``users`` (N,) int64 the row of the batch that it belongs to. The paper
    prints Eq. 1 without its minus sign. ``reduction="mean"`` is the mean over all target tokens of the batch, which
    most training code uses; the paper does not say which one it ran.
    """
    if reduction == "mean":
        return nll.mean()
    return torch.zeros(n_users, device=nll.device, dtype=nll.dtype).index_add(0, users, nll).mean()


def info_nce(users: Tensor, items: Tensor, temperature: float) -> Tensor:
    """Eqs. 2-3: every item i of (B, D) picks its own user among the (B, D) users -> scalar.

    The sum in the denominator runs over users for a fixed item, as printed. In float32 also under autocast: features of
    a language model differ little in direction, and bfloat16 would make the cosines of different users equal.
    """
    with torch.autocast(items.device.type, enabled=False):
        cosine = F.normalize(items.float(), dim=-1) @ F.normalize(users.float(), dim=-1).T  # (item, user)
        return F.cross_entropy(cosine / temperature, torch.arange(len(cosine), device=cosine.device))


class LossWeights(NamedTuple):
    """What each loss counts in Eq. 4."""

    nig: float
    tt: float
    ut: float


def loss_weights(alpha: float, beta: float) -> LossWeights:
    """The weights of Eq. 4, which add up to 1; the paper's beta is negative on purpose."""
    return LossWeights(1 - alpha - beta, alpha, beta)


def calrec_loss(nig: Tensor, tt: Tensor, ut: Tensor, alpha: float, beta: float) -> Tensor:
    """Eq. 4: (1 - alpha - beta) nig + alpha tt + beta ut."""
    weights = loss_weights(alpha, beta)
    return weights.nig * nig + weights.tt * tt + weights.ut * ut
