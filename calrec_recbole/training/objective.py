"""The objective of section 3.4 on one batch that goes through the backbone in one piece."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.losses import calrec_loss, info_nce, next_item_generation, summed_nll, token_nll
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import SequenceBatch, SequenceTower, TargetBatch, encode_sequences, encode_targets

__all__ = ["Features", "LossParts", "contrast", "generation", "objective", "summed_generation"]


class LossParts(NamedTuple):
    """Scalars in nats: the total of Eq. 4, L_NIG, L_TT, L_UT (NaN where not computed), and NIG a predicted token."""

    total: Tensor
    nig: Tensor
    tt: Tensor
    ut: Tensor
    nats_per_token: Tensor


class Features(NamedTuple):
    """The pooled features of B users, each (B, D): v^U, v^TU and v^T."""

    user: Tensor
    target_in_context: Tensor
    target_alone: Tensor


def objective(
    backbone: Backbone, sequences: SequenceBatch, targets: TargetBatch | None, settings: TrainingSettings
) -> LossParts:
    """Eq. 4. Without ``targets`` the contrastive losses are left out and their weights count as zero."""
    tower = encode_sequences(backbone.trunk, sequences)
    nig, nats_per_token = generation(backbone, tower, len(sequences.tokens), settings.nig_reduction)
    if targets is None:
        unknown = torch.full_like(nig, torch.nan).detach()
        return LossParts(nig, nig, unknown, unknown, nats_per_token)
    alone = encode_targets(backbone.trunk, targets)
    tt, ut = contrast(Features(tower.user, tower.target_in_context, alone), settings.tau_c)
    return LossParts(calrec_loss(nig, tt, ut, settings.alpha, settings.beta), nig, tt, ut, nats_per_token)


def generation(backbone: Backbone, tower: SequenceTower, n_users: int, reduction: str) -> tuple[Tensor, Tensor]:
    """L_NIG of Eq. 1, and nats a predicted token. The head runs on the predicted tokens only."""
    nll = token_nll(backbone.logits(tower.hidden), tower.labels)
    return next_item_generation(nll, tower.rows, n_users, reduction), nll.detach().mean()


def summed_generation(
    backbone: Backbone,
    hidden: Tensor,
    labels: Tensor,
    rows_at_once: int | None = None,
    fused_nll: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """-log P of the (P,) ``labels`` after (P, D) ``hidden``, summed -> scalar float32, nats.

    Where the head is a plain matrix the logits of at most ``rows_at_once`` rows exist at a time, or ``fused_nll`` takes
    (matrix, hidden, labels) and does the same.
    """
    weight = backbone.head_weight
    if weight is None:
        return token_nll(backbone.logits(hidden), labels).sum()
    if fused_nll:
        return fused_nll(weight, hidden, labels)
    return summed_nll(hidden, weight, labels, rows_at_once)


def contrast(features: Features, tau_c: float) -> tuple[Tensor, Tensor]:
    """L_TT of Eq. 2 and L_UT of Eq. 3 over the users of ``features``."""
    tt = info_nce(features.target_in_context, features.target_alone, tau_c)
    return tt, info_nce(features.user, features.target_alone, tau_c)
