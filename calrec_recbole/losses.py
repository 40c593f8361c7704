"""Equations 1-4 of the paper as pure functions; every loss is minimised and given in nats."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["calrec_loss", "info_nce", "next_item_generation", "token_nll"]


def token_nll(logits: Tensor, tokens: Tensor) -> Tensor:
    """-log P(token) of (N,) ``tokens`` under (N, V) ``logits`` -> (N,) float32."""
    return F.cross_entropy(logits.float(), tokens, reduction="none")


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


def calrec_loss(nig: Tensor, tt: Tensor, ut: Tensor, alpha: float, beta: float) -> Tensor:
    """Eq. 4: (1 - alpha - beta) nig + alpha tt + beta ut; the paper's beta is negative on purpose."""
    return (1 - alpha - beta) * nig + alpha * tt + beta * ut
