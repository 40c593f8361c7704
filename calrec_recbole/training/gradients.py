"""The gradient of a batch that goes through the backbone in pieces, exact also for the contrastive losses.

Their negatives are all users of the batch, so no piece can compute them alone. Cached gradients (GradCache, Gao et
al. 2021, https://arxiv.org/abs/2101.06983): a first pass without gradient collects the pooled features of all
pieces, the losses and their gradients with respect to the features are computed once on the whole batch, and a
second pass sends these gradients through the backbone piece by piece. Dropout draws the same masks in both passes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.losses import calrec_loss
from calrec_recbole.training.objective import Features, LossParts, contrast, lean_generation
from calrec_recbole.training.parallel import ALONE, Processes
from calrec_recbole.training.runtime import autocast
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import SequenceTower, collate_sequences, collate_targets, encode_sequences, encode_targets

__all__ = ["BatchGradient"]


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
        if not self.target_pieces:
            nig, nats = self._send_sequences(None, None, 1.0)
            unknown = torch.full_like(nig, torch.nan)
            return LossParts(nig, nig, unknown, unknown, nats)
        alpha, beta = self.settings.alpha, self.settings.beta
        states: list[RandomState] = []
        features = Features(*(part.requires_grad_() for part in self._features(states)))
        tt, ut = contrast(features, self.settings.tau_c)
        (alpha * tt + beta * ut).backward()
        gradients = Features(*(part.grad for part in features))  # type: ignore[arg-type]
        nig, nats = self._send_sequences(gradients, states, 1 - alpha - beta)
        self._send_targets(gradients, states[len(self.sequence_pieces) :])
        tt, ut = tt.detach(), ut.detach()
        return LossParts(calrec_loss(nig, tt, ut, alpha, beta), nig, tt, ut, nats)

    @torch.no_grad()
    def _features(self, states: list["RandomState"]) -> Features:
        """The features of all rows, in their order; the random state before each piece goes to ``states``."""
        users, in_context, alone = [], [], []
        for piece in self.sequence_pieces:
            states.append(RandomState(self.device))
            tower = self._sequences(piece)
            users.append(tower.user)
            in_context.append(tower.target_in_context)
        for piece in self.target_pieces:
            states.append(RandomState(self.device))
            alone.append(self._targets(piece))
        sequences, targets = self.sequence_pieces, self.target_pieces
        return Features(
            self._gathered(users, sequences), self._gathered(in_context, sequences), self._gathered(alone, targets)
        )

    def _gathered(self, parts: Sequence[Tensor], pieces: Sequence[Sequence[int]]) -> Tensor:
        """Features by piece -> (B, D) in the order of the batch. Each process adds its own rows to zeros: exact."""
        rows = torch.tensor([row for piece in pieces for row in piece], device=self.device)
        own = torch.cat(list(parts))
        return self.processes.sum(own.new_zeros(len(self.examples), own.shape[1]).index_copy(0, rows, own))

    def _send_sequences(
        self, gradients: Features | None, states: Sequence["RandomState"] | None, weight: float
    ) -> tuple[Tensor, Tensor]:
        """Backward through every piece of sequences -> L_NIG and nats a token of the batch."""
        counts = [int((example.labels != IGNORED).sum()) for example in self.examples]
        sizes = counts if self.reduction == "mean" else [1] * len(counts)
        nig = nats = torch.zeros((), device=self.device)
        for number, piece in enumerate(self.sequence_pieces):
            share = sum(sizes[row] for row in piece) / sum(sizes)
            with states[number].restored() if states else _unchanged():
                tower = self._sequences(piece)
            with autocast(self.precision, self.device):
                part, piece_nats = lean_generation(self.backbone, tower, len(piece), self.reduction)
            loss = weight * share * part
            if gradients:
                rows = torch.tensor(piece, device=self.device)
                loss = loss + (tower.user * gradients.user[rows]).sum()
                loss = loss + (tower.target_in_context * gradients.target_in_context[rows]).sum()
            loss.backward()
            nig = nig + share * part.detach()
            nats = nats + piece_nats * sum(counts[row] for row in piece) / sum(counts)
        return self.processes.sum(nig), self.processes.sum(nats)

    def _send_targets(self, gradients: Features, states: Sequence["RandomState"]) -> None:
        for piece, state in zip(self.target_pieces, states, strict=True):
            with state.restored():
                alone = self._targets(piece)
            (alone * gradients.target_alone[torch.tensor(piece, device=self.device)]).sum().backward()

    def _sequences(self, piece: Sequence[int]) -> SequenceTower:
        batch = collate_sequences([self.examples[row] for row in piece], self.device)
        with autocast(self.precision, self.device):
            return encode_sequences(self.backbone.trunk, batch)

    def _targets(self, piece: Sequence[int]) -> Tensor:
        batch = collate_targets([self.examples[row] for row in piece], self.items.start, self.device)
        with autocast(self.precision, self.device):
            return encode_targets(self.backbone.trunk, batch)


class RandomState:
    """torch's random state of the CPU and of ``device`` at the time of making."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Draws as at the time of making; afterwards the draws go on from where they were before."""
        now = RandomState(self.device)
        self._set()
        try:
            yield
        finally:
            now._set()

    def _set(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)


@contextmanager
def _unchanged() -> Iterator[None]:
    yield
