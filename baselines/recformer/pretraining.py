"""Recformer's pretraining objective (Li et al., KDD 2023, 3.3.1): whole-word masks, and each history finds its target.

https://arxiv.org/abs/2305.13731
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrec_recbole.baselines.recformer.inputs import FlatSequence
from calrec_recbole.baselines.recformer.item_texts import distinct_items
from calrec_recbole.baselines.recformer.longformer import RecformerNetwork, pieces
from calrec_recbole.baselines.recformer.model import Recformer
from calrec_recbole.baselines.recformer.prefix_rows import Rows
from calrec_recbole.baselines.recformer.word_masks import IGNORED, mask_tokens
from calrec_recbole.losses import info_nce
from calrec_recbole.training.device.mixed_precision import autocast

__all__ = ["Pretraining", "item_contrast", "masked_language_model"]


def item_contrast(histories: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Every history of (B, D) picks its own target among the (B, D) targets of the batch -> the mean, nats.

    Eqs. 2-3 of CALRec with the two sides exchanged: here the denominator runs over items. Two rows with the same
    target count as negatives of each other, as the authors'.
    """
    return info_nce(targets, histories, temperature)


def masked_language_model(
    network: RecformerNetwork, sequences: Sequence[FlatSequence], labels: Sequence[Sequence[int]], tokens_at_once: int
) -> Tensor:
    """-log P(hidden token | the rest), the mean over all hidden tokens of ``sequences`` -> scalar, nats.

    ``labels`` holds the token at every hidden place, elsewhere ``IGNORED``; only hidden places reach the vocabulary.
    """
    total, count = torch.zeros((), device=network.device), 0
    for piece in pieces(sequences, network.window, tokens_at_once):
        tokens = network.tokens_of([sequences[row] for row in piece])
        wanted = torch.full_like(tokens.ids, IGNORED)
        for place, row in enumerate(piece):
            wanted[place, : len(labels[row])] = torch.tensor(labels[row], device=network.device)
        hidden = wanted != IGNORED
        logits = network.lm_head(network.hidden(tokens)[hidden])
        total = total + F.cross_entropy(logits.float(), wanted[hidden], reduction="sum")
        count += int(hidden.sum())
    return total / max(1, count)


class Pretraining:
    """The objective over ``model.pretraining``; ``model``'s network learns."""

    def __init__(self, model: Recformer, mlm_weight: float, mlm_probability: float) -> None:
        assert model.pretraining is not None
        self.model, self.data = model, model.pretraining
        self.items = distinct_items(self.data.attributes, model.tokenizer, model.attribute_tokens)
        self.mlm_weight, self.mlm_probability = mlm_weight, mlm_probability

    def towers(self, rows: Rows, chosen: Sequence[int]) -> tuple[list[FlatSequence], list[FlatSequence]]:
        """The histories and the targets of the rows ``chosen``; a target is a sequence of one item."""
        items, place, targets = self.items.items, self.items.place, rows.targets.tolist()
        histories = [self.model.flattened([items[place[item]] for item in rows.history(row)]) for row in chosen]
        return histories, [self.model.flattened([items[place[targets[row]]]]) for row in chosen]

    def loss(self, chosen: Sequence[int], rng: np.random.Generator) -> Tensor:
        """L_IIC + ``mlm_weight`` (L_MLM of the histories + L_MLM of the targets) on training rows -> scalar, nats.

        The contrast reads the unmasked sequences, as the authors' code does.
        """
        towers = self.towers(self.data.train, chosen)
        vectors = [self.model.encode(tower) for tower in towers]
        loss = item_contrast(vectors[0], vectors[1], self.model.temperature)
        for tower in towers if self.mlm_weight else ():
            loss = loss + self.mlm_weight * self._masked(tower, rng)
        return loss

    def _masked(self, tower: Sequence[FlatSequence], rng: np.random.Generator) -> Tensor:
        network, tokenizer = self.model.network, self.model.tokenizer
        masked, labels = zip(
            *(
                mask_tokens(sequence, self.mlm_probability, tokenizer.mask_token_id, len(tokenizer), rng)
                for sequence in tower
            ),
            strict=True,
        )
        with autocast(self.model.precision, network.device):
            return masked_language_model(network, masked, labels, self.model.tokens_at_once)

    @torch.no_grad()
    def accuracy(self, batch_size: int) -> float:
        """The share of validation rows whose target no other target of the batch beats; batches in the rows' order."""
        self.model.network.eval()
        right, rows = 0, self.data.valid
        for batch in batches(np.arange(len(rows.targets)), batch_size):
            histories, targets = (self.model.encode(tower) for tower in self.towers(rows, batch))
            cosine = F.normalize(histories, dim=-1) @ F.normalize(targets, dim=-1).T
            right += int((cosine.diagonal() >= cosine.max(1).values).sum())
        return right / len(rows.targets)


def batches(rows: np.ndarray, size: int) -> list[Any]:
    """``rows`` in pieces of ``size``, as lists; a last piece of one row joins the one before: it has no negatives."""
    cut = [rows[start : start + size].tolist() for start in range(0, len(rows), size)]
    if len(cut) > 1 and len(cut[-1]) == 1:
        last = cut.pop()
        cut[-1] += last
    return cut
