"""The gradient of a batch in pieces of few fixed shapes, for XLA: it compiles each shape once, for seconds.

The same quantities as ``gradients.BatchGradient``, in two passes as there. What varies there is padded here: lengths to
powers of two, the rows of a piece to what the token budget holds of that length, the predicted places of a row to the
longest item. Rows that only fill up read and write a place behind the last user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.xla.lazy_graph import finish_graph
from calrec_recbole.examples import IGNORED, Example, ItemTokens
from calrec_recbole.losses import calrec_loss, loss_weights, token_nll
from calrec_recbole.training.device.mixed_precision import autocast
from calrec_recbole.training.micro_batches.sizes import cpu_sizes
from calrec_recbole.training.objective import Features, LossParts, contrast
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.two_tower import masked_mean

__all__ = ["FixedShapes", "bucket"]

SHORTEST = 32  # tokens


class Sequences(NamedTuple):
    """B rows of T tokens; places (B, P) are where ``labels`` (B, P) are predicted, ``IGNORED`` where none is left."""

    rows: Tensor  # (B,) int64: the user, or the number of users for a row that only fills up
    tokens: Tensor  # (B, T) int64
    in_prompt: Tensor  # (B, T) bool
    in_target: Tensor  # (B, T) bool
    places: Tensor
    labels: Tensor


class Targets(NamedTuple):
    """B targets alone; ``pooled`` (B, S) bool is True on their own tokens."""

    rows: Tensor
    tokens: Tensor
    pooled: Tensor


def bucket(length: int) -> int:
    """The number of tokens that a row of ``length`` is padded to: a power of two, at least ``SHORTEST``."""
    return max(SHORTEST, 1 << (length - 1).bit_length())


@dataclass(frozen=True)
class FixedShapes:
    """A batch of ``examples``; ``contrasts`` is False in the warm-up, whose labels may stand anywhere in a row."""

    backbone: Backbone
    items: ItemTokens
    settings: TrainingSettings
    device: torch.device
    precision: torch.dtype
    examples: Sequence[Example]
    contrasts: bool
    reduction: str

    def accumulate(self) -> LossParts:
        """As ``BatchGradient.accumulate``."""
        sequences, targets = list(self._sequences()), list(self._targets()) if self.contrasts else []
        if not self.contrasts:
            nig, nats = self._send_sequences(sequences, None, 1.0)
            unknown = torch.full_like(nig, torch.nan)
            return LossParts(nig, nig, unknown, unknown, nats)
        alpha, beta = self.settings.alpha, self.settings.beta
        weights = loss_weights(alpha, beta)
        features = Features(*(part.requires_grad_() for part in self._features(sequences, targets)))
        users = len(self.examples)
        tt, ut = contrast(Features(*(part[:users] for part in features)), self.settings.tau_c)
        (weights.tt * tt + weights.ut * ut).backward()
        gradients = Features(*(part.grad for part in features))  # type: ignore[arg-type]
        finish_graph(self.device)
        nig, nats = self._send_sequences(sequences, gradients, weights.nig)
        for piece in targets:
            (self._alone(piece) * gradients.target_alone[piece.rows]).sum().backward()
            finish_graph(self.device)
        tt, ut = tt.detach(), ut.detach()
        return LossParts(calrec_loss(nig, tt, ut, alpha, beta), nig, tt, ut, nats)

    @property
    def padding(self) -> float:
        """The share of pads among all tokens that go through the backbone, both towers together."""
        lengths = [[len(example.tokens) for example in self.examples]]
        if self.contrasts:
            lengths.append([len(self.items.start) + len(example.target) for example in self.examples])
        padded = sum(height * width for part in lengths for _, (height, width) in self._pieces(part))
        return 1 - sum(map(sum, lengths)) / padded

    @torch.no_grad()
    def _features(self, sequences: Sequence[Sequences], targets: Sequence[Targets]) -> Features:
        """(users + 1, D) each; the last row is of the rows that only fill up."""
        width = self.backbone.model.config.get_text_config().hidden_size
        user, in_context, alone = (torch.zeros(len(self.examples) + 1, width, device=self.device) for _ in range(3))
        finish_graph(self.device)  # otherwise the first piece's graph would hold the zeros, and be one of its own
        for piece in sequences:
            hidden = self._hidden(piece.tokens)
            user.index_copy_(0, piece.rows, masked_mean(hidden, piece.in_prompt))
            in_context.index_copy_(0, piece.rows, masked_mean(hidden, piece.in_target))
            finish_graph(self.device)
        for part in targets:
            alone.index_copy_(0, part.rows, self._alone(part))
            finish_graph(self.device)
        return Features(user, in_context, alone)

    def _send_sequences(
        self, pieces: Sequence[Sequences], gradients: Features | None, weight: float
    ) -> tuple[Tensor, Tensor]:
        count = sum(int((example.labels != IGNORED).sum()) for example in self.examples)
        parts = torch.tensor(count if self.reduction == "mean" else len(self.examples), device=self.device)
        total = torch.zeros((), device=self.device)
        finish_graph(self.device)
        for piece in pieces:
            hidden = self._hidden(piece.tokens)
            picked = hidden.gather(1, piece.places[..., None].expand(-1, -1, hidden.shape[-1])).flatten(0, 1)
            with autocast(self.precision, self.device):
                summed = token_nll(self.backbone.logits(picked), piece.labels.flatten()).sum()
            loss = weight * summed / parts
            if gradients:
                loss = loss + (masked_mean(hidden, piece.in_prompt) * gradients.user[piece.rows]).sum()
                in_target = masked_mean(hidden, piece.in_target)
                loss = loss + (in_target * gradients.target_in_context[piece.rows]).sum()
            loss.backward()
            total += summed.detach()
            finish_graph(self.device)
        nig, nats = total / parts, total / torch.tensor(count, device=self.device)
        finish_graph(self.device)
        return nig, nats

    def _alone(self, piece: Targets) -> Tensor:
        return masked_mean(self._hidden(piece.tokens), piece.pooled)

    def _hidden(self, tokens: Tensor) -> Tensor:
        with autocast(self.precision, self.device):
            hidden: Tensor = self.backbone.trunk(input_ids=tokens, use_cache=False).last_hidden_state
        return hidden

    def _sequences(self) -> Iterator[Sequences]:
        longest_item = max(map(len, self.items.items)) + 1  # with its end token
        for rows, shape in self._pieces([len(example.tokens) for example in self.examples]):
            height, width = shape
            slots = min(longest_item, width) if self.contrasts or self.reduction == "sum" else width
            tokens, labels = np.zeros(shape, np.int64), np.full((height, slots), IGNORED)
            in_prompt, in_target = np.zeros(shape, bool), np.zeros(shape, bool)
            in_prompt[:, 0] = in_target[:, 0] = True  # a mean over nothing is no number
            places = np.zeros((height, slots), np.int64)
            for row, user in enumerate(rows):
                example = self.examples[user]
                predicts = np.flatnonzero(example.labels != IGNORED)
                tokens[row, : len(example.tokens)] = example.tokens
                in_prompt[row, : example.prompt_length] = True
                in_target[row] = False
                in_target[row, example.prompt_length : len(example.tokens)] = True
                places[row, : len(predicts)] = predicts
                labels[row, : len(predicts)] = example.labels[predicts]
            yield Sequences(*self._sent(self._filled(rows, height), tokens, in_prompt, in_target, places, labels))

    def _targets(self) -> Iterator[Targets]:
        start = self.items.start
        for rows, shape in self._pieces([len(start) + len(example.target) for example in self.examples]):
            tokens, pooled = np.zeros(shape, np.int64), np.zeros(shape, bool)
            pooled[:, 0] = True
            for row, user in enumerate(rows):
                target = np.concatenate([start, self.examples[user].target])
                tokens[row, : len(target)] = target
                pooled[row] = False
                pooled[row, len(start) : len(target)] = True
            yield Targets(*self._sent(self._filled(rows, shape[0]), tokens, pooled))

    def _pieces(self, lengths: Sequence[int]) -> Iterator[tuple[list[int], tuple[int, int]]]:
        """The rows of each piece, and its shape: as many rows as the token budget holds of the bucket's length."""
        room = getattr(self.backbone.model.config.get_text_config(), "max_position_embeddings", None) or max(lengths)
        widths = [min(bucket(length), max(length, room)) for length in lengths]
        for width in sorted(set(widths)):
            rows = [row for row, own in enumerate(widths) if own == width]
            height = max(1, cpu_sizes(self.settings).micro_batch_tokens // width)
            for start in range(0, len(rows), height):
                yield rows[start : start + height], (height, width)

    def _filled(self, rows: list[int], height: int) -> np.ndarray:
        return np.array(rows + [len(self.examples)] * (height - len(rows)))

    def _sent(self, *arrays: np.ndarray) -> Iterator[Tensor]:
        return (torch.from_numpy(array).to(self.device) for array in arrays)
