"""One micro-batch -> the loss to minimise and its parts."""

from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.losses import calrec_loss, info_nce, next_item_generation, token_nll
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import Batch, encode

__all__ = ["LossParts", "objective"]


class LossParts(NamedTuple):
    """Scalars in nats: the total of Eq. 4, L_NIG, L_TT, L_UT (NaN where not computed), and NIG a predicted token."""

    total: Tensor
    nig: Tensor
    tt: Tensor
    ut: Tensor
    nats_per_token: Tensor


def objective(backbone: Backbone, batch: Batch, settings: TrainingSettings, *, warmup: bool) -> LossParts:
    """The paper's objective (3.4), or in ``warmup`` the generation loss alone over every labelled token, averaged
    over tokens.

    The contrastive negatives are the other users of this micro-batch.
    """
    contrast = not warmup and (settings.alpha != 0 or settings.beta != 0)
    towers = encode(backbone.trunk, batch, contrast=contrast)
    nll = token_nll(backbone.logits(towers.hidden), towers.labels)
    reduction = "mean" if warmup else settings.nig_reduction
    nig = next_item_generation(nll, towers.rows, len(batch.tokens), reduction)
    if not contrast:
        unknown = torch.full_like(nig, torch.nan).detach()
        total = nig if warmup else (1 - settings.alpha - settings.beta) * nig
        return LossParts(total, nig.detach(), unknown, unknown, nll.mean().detach())
    tt = info_nce(towers.target_in_context, towers.target_alone, settings.tau_c)
    ut = info_nce(towers.user, towers.target_alone, settings.tau_c)
    total = calrec_loss(nig, tt, ut, settings.alpha, settings.beta)
    return LossParts(total, nig.detach(), tt.detach(), ut.detach(), nll.mean().detach())
