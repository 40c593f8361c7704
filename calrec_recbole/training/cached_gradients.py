"""The gradient of a batch that goes through the backbone in groups, exact also for the contrastive losses.

Their negatives are all users of the batch, so no group can compute them alone. Cached gradients (GradCache, Gao et al.
2021, https://arxiv.org/abs/2101.06983): a first pass collects the pooled features of all groups, the losses and their
gradients with respect to the features are computed once on the whole batch, and a second pass sends these gradients
through the backbone group by group. The first pass keeps the activations of the largest group; the others are read
again, where dropout draws the same masks. A batch that is one group is so read once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.losses import calrec_loss, loss_weights
from calrec_recbole.training.device.mixed_precision import autocast
from calrec_recbole.training.device.random_state import RandomState
from calrec_recbole.training.distributed.processes import ALONE, Processes
from calrec_recbole.training.micro_batches.passes import Passes, Towers
from calrec_recbole.training.objective import Features, LossParts, contrast, summed_generation
from calrec_recbole.training.settings import TrainingSettings

__all__ = ["BatchGradient", "Gradient"]


class Gradient(Protocol):
    """A batch that can compute its gradient."""

    @property
    def examples(self) -> Sequence[Example]: ...

    @property
    def contrasts(self) -> bool:
        """Whether the loss has the contrastive terms of Eq. 4."""

    @property
    def padding(self) -> float:
        """The share of pads among all tokens that go through the backbone."""

    def accumulate(self) -> LossParts:
        """Adds the gradient of the whole batch to the backbone's parameters -> the losses, detached."""


@dataclass(frozen=True)
class BatchGradient:
    """A batch of ``examples`` that goes through the backbone by ``passes``.

    ``contrasts`` is False where L_NIG is the whole loss (warm-up, or alpha = beta = 0): then no target stands alone.
    """

    backbone: Backbone
    settings: TrainingSettings
    device: torch.device
    precision: torch.dtype
    examples: Sequence[Example]
    passes: Passes
    contrasts: bool
    reduction: str  # of the generation loss: sum over a user's tokens, or mean over all tokens
    head_rows: int | None = None  # logits of so many predictions exist at once; None: as many as suit a CPU
    processes: Processes = ALONE  # the passes are this one's share; the losses are of the whole batch
    fused_nll: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None  # (weight, hidden, tokens) -> summed nats

    @property
    def padding(self) -> float:
        """The share of pads among all tokens that go through the backbone."""
        return self.passes.padding

    def accumulate(self) -> LossParts:
        """Adds the gradient of Eq. 4 over the whole batch to the backbone's parameters -> the losses, detached.

        Without contrast that of L_NIG alone.
        """
        groups = self.passes.groups
        if not self.contrasts:
            nig, nats = self._means([self._send(self.read(group), None, 1.0) for group in groups])
            unknown = torch.full_like(nig, torch.nan)
            return LossParts(nig, nig, unknown, unknown, nats)
        alpha, beta = self.settings.alpha, self.settings.beta
        weights = loss_weights(alpha, beta)
        *again, largest = groups
        states, first = [], []
        for group in again:
            states.append(RandomState(self.device))
            with torch.no_grad():
                first.append(self.read(group))
        kept = self.read(largest)
        features = Features(*(part.requires_grad_() for part in self._features([*first, kept])))
        tt, ut = contrast(features, self.settings.tau_c)
        (weights.tt * tt + weights.ut * ut).backward()
        gradients = Features(*(part.grad for part in features))  # type: ignore[arg-type]
        sent = [self._send(kept, gradients, weights.nig)]
        for group, state in zip(again, states, strict=True):
            with state.restored():
                towers = self.read(group)
            sent.append(self._send(towers, gradients, weights.nig))
        nig, nats = self._means(sent)
        tt, ut = tt.detach(), ut.detach()
        return LossParts(calrec_loss(nig, tt, ut, alpha, beta), nig, tt, ut, nats)

    def read(self, group: Any) -> Towers:
        """A pass over ``group``, in one autocast, which casts the weights once."""
        with autocast(self.precision, self.device):
            return self.passes.read(group)

    @torch.no_grad()
    def _features(self, read: Sequence[Towers]) -> Features:
        """The features of all users of the batch, of whichever process and group."""
        return Features(
            self._in_order([(towers.sequences, towers.user) for towers in read]),
            self._in_order([(towers.sequences, towers.target_in_context) for towers in read]),
            self._in_order([(towers.targets, towers.target_alone) for towers in read]),
        )

    def _in_order(self, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Rows and their features -> (B, D), one row an example. Each process adds its own rows to zeros: exact."""
        rows, own = (torch.cat(part) for part in zip(*parts, strict=True))
        zeros = own.new_zeros(len(self.examples), own.shape[1])
        return self.processes.sum(zeros.index_copy(0, rows, own))

    def _send(self, towers: Towers, gradients: Features | None, weight: float) -> Tensor:
        """Backward through the group of ``towers`` -> its summed nats, detached."""
        loss = summed = torch.zeros((), device=self.device)
        if len(towers.labels):
            with autocast(self.precision, self.device):
                summed = summed_generation(self.backbone, towers.hidden, towers.labels, self.head_rows, self.fused_nll)
            loss = weight * summed / self._size
        if gradients:
            loss = loss + (towers.user * gradients.user[towers.sequences]).sum()
            loss = loss + (towers.target_in_context * gradients.target_in_context[towers.sequences]).sum()
            loss = loss + (towers.target_alone * gradients.target_alone[towers.targets]).sum()
        loss.backward()
        return summed.detach()

    def _means(self, sent: list[Tensor]) -> tuple[Tensor, Tensor]:
        """L_NIG and the nats a token, of the groups' summed nats over all processes."""
        total = self.processes.sum(torch.stack(sent).sum())
        return total / self._size, total / self._tokens

    @cached_property
    def _tokens(self) -> int:
        """Predicted tokens of the batch."""
        return sum(int((example.labels != IGNORED).sum()) for example in self.examples)

    @property
    def _size(self) -> int:
        """What L_NIG is a mean over."""
        return self._tokens if self.reduction == "mean" else len(self.examples)
