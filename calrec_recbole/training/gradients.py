"""The gradient of a batch that goes through the backbone in pieces, exact also for the contrastive losses.

Their negatives are all users of the batch, so no piece can compute them alone. Pieces whose activations fit in memory
together form a group. Cached gradients (GradCache, Gao et al. 2021, https://arxiv.org/abs/2101.06983): a first pass
collects the pooled features of all groups, the losses and their gradients with respect to the features are computed
once on the whole batch, and a second pass sends these gradients through the backbone group by group. The first pass
keeps the activations of the largest group; the others are read again, where dropout draws the same masks. A batch that
is one group is so read once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.losses import calrec_loss
from calrec_recbole.training.batches import fitting_groups, padded_tokens
from calrec_recbole.training.objective import Features, LossParts, contrast, lean_generation
from calrec_recbole.training.parallel import ALONE, Processes
from calrec_recbole.training.random_state import RandomState
from calrec_recbole.training.runtime import autocast
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import (
    SequenceTower,
    collate_sequences,
    collate_targets,
    encode_sequences,
    encode_targets,
    joined,
)

__all__ = ["BatchGradient", "Group", "GroupTowers"]


class Group(NamedTuple):
    """Pieces whose activations are in memory together: lists of row numbers."""

    sequences: list[Sequence[int]]
    targets: list[Sequence[int]]


class GroupTowers(NamedTuple):
    """What the backbone gives for a group, in the order of its pieces; None where it has no such pieces."""

    sequences: SequenceTower | None
    alone: Tensor | None  # (rows, D) v^T


@dataclass(frozen=True)
class BatchGradient:
    """A batch of ``examples`` cut into pieces: lists of row numbers, of sequences and of targets (none in warm-up)."""

    backbone: Backbone
    items: ItemTokens
    settings: TrainingSettings
    device: torch.device
    precision: torch.dtype
    examples: Sequence[Example]
    sequence_pieces: Sequence[Sequence[int]]
    target_pieces: Sequence[Sequence[int]]
    reduction: str  # of the generation loss: sum over a user's tokens, or mean over all tokens
    processes: Processes = ALONE  # the pieces are this one's share; the losses are of the whole batch

    def accumulate(self) -> LossParts:
        """Adds the gradient of Eq. 4 over the whole batch to the backbone's parameters -> the losses, detached.

        Without target pieces that of L_NIG alone.
        """
        groups = self.groups()
        if not self.target_pieces:
            nig, nats = self._sums([self._send(group, self.read(group), None, 1.0) for group in groups])
            unknown = torch.full_like(nig, torch.nan)
            return LossParts(nig, nig, unknown, unknown, nats)
        alpha, beta = self.settings.alpha, self.settings.beta
        *again, largest = groups
        states, first = [], []
        for group in again:
            states.append(RandomState(self.device))
            with torch.no_grad():
                first.append(self.read(group))
        kept = self.read(largest)
        features = Features(*(part.requires_grad_() for part in self._features(groups, [*first, kept])))
        tt, ut = contrast(features, self.settings.tau_c)
        (alpha * tt + beta * ut).backward()
        gradients = Features(*(part.grad for part in features))  # type: ignore[arg-type]
        sent = [self._send(largest, kept, gradients, 1 - alpha - beta)]
        for group, state in zip(again, states, strict=True):
            with state.restored():
                towers = self.read(group)
            sent.append(self._send(group, towers, gradients, 1 - alpha - beta))
        nig, nats = self._sums(sent)
        tt, ut = tt.detach(), ut.detach()
        return LossParts(calrec_loss(nig, tt, ut, alpha, beta), nig, tt, ut, nats)

    def groups(self) -> list[Group]:
        """The pieces in groups of at most ``micro_batch_tokens`` tokens, the largest last.

        A backbone in parts is gathered in every pass: all processes need as many, so each piece is a group.
        """
        lengths = [len(example.tokens) for example in self.examples]
        alone = [len(self.items.start) + len(example.target) for example in self.examples]
        tokens = [padded_tokens(lengths, piece) for piece in self.sequence_pieces]
        tokens += [padded_tokens(alone, piece) for piece in self.target_pieces]
        n = len(self.sequence_pieces)
        in_parts = self.processes.world > 1 and self.settings.parallel == "fsdp"
        return [
            Group(
                [self.sequence_pieces[place] for place in places if place < n],
                [self.target_pieces[place - n] for place in places if place >= n],
            )
            for places in fitting_groups(tokens, 1 if in_parts else self.settings.micro_batch_tokens)
        ]

    def read(self, group: Group) -> GroupTowers:
        """One pass over the pieces of ``group``. They share one autocast, which casts the weights once."""
        with autocast(self.precision, self.device):
            towers = [self._sequences(piece) for piece in group.sequences]
            alone = [self._targets(piece) for piece in group.targets]
        return GroupTowers(joined(towers) if towers else None, torch.cat(alone) if alone else None)

    @torch.no_grad()
    def _features(self, groups: Sequence[Group], read: Sequence[GroupTowers]) -> Features:
        """The features of all rows, in their order, without their graphs."""
        towers = [towers.sequences for towers in read if towers.sequences]
        sequences = [row for group in groups for piece in group.sequences for row in piece]
        targets = [row for group in groups for piece in group.targets for row in piece]
        return Features(
            self._in_order([tower.user for tower in towers], sequences),
            self._in_order([tower.target_in_context for tower in towers], sequences),
            self._in_order([towers.alone for towers in read if towers.alone is not None], targets),
        )

    def _in_order(self, parts: Sequence[Tensor], rows: Sequence[int]) -> Tensor:
        """Features of ``rows`` -> (B, D), one row an example. Each process adds its own rows to zeros: exact."""
        own = torch.cat(list(parts))
        zeros = own.new_zeros(len(self.examples), own.shape[1])
        return self.processes.sum(zeros.index_copy(0, torch.tensor(rows, device=self.device), own))

    def _sums(self, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """The sums of the first and of the second members over all processes."""
        first, second = zip(*parts, strict=True)
        return self.processes.sum(torch.stack(first).sum()), self.processes.sum(torch.stack(second).sum())

    def _send(
        self, group: Group, towers: GroupTowers, gradients: Features | None, weight: float
    ) -> tuple[Tensor, Tensor]:
        """Backward through ``group`` -> its share of L_NIG and of the nats a token of the batch."""
        nig = nats = loss = torch.zeros((), device=self.device)
        if towers.sequences:
            rows = [row for piece in group.sequences for row in piece]
            nig, nats = self._generation(rows, towers.sequences)
            loss = weight * nig
            if gradients:
                loss = loss + (towers.sequences.user * gradients.user[rows]).sum()
                loss = loss + (towers.sequences.target_in_context * gradients.target_in_context[rows]).sum()
        if towers.alone is not None and gradients:
            rows = [row for piece in group.targets for row in piece]
            loss = loss + (towers.alone * gradients.target_alone[rows]).sum()
        loss.backward()
        return nig.detach(), nats

    def _generation(self, rows: Sequence[int], tower: SequenceTower) -> tuple[Tensor, Tensor]:
        """What ``rows`` add to L_NIG and to the nats a token of the batch."""
        counts = [int((example.labels != IGNORED).sum()) for example in self.examples]
        sizes = counts if self.reduction == "mean" else [1] * len(counts)
        with autocast(self.precision, self.device):
            part, nats = lean_generation(self.backbone, tower, len(rows), self.reduction)
        nig = part * sum(sizes[row] for row in rows) / sum(sizes)
        return nig, nats * sum(counts[row] for row in rows) / sum(counts)

    def _sequences(self, piece: Sequence[int]) -> SequenceTower:
        batch = collate_sequences([self.examples[row] for row in piece], self.device)
        return encode_sequences(self.backbone.trunk, batch)

    def _targets(self, piece: Sequence[int]) -> Tensor:
        batch = collate_targets([self.examples[row] for row in piece], self.items.start, self.device)
        return encode_targets(self.backbone.trunk, batch)
