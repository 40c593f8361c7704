"""Held-out likelihood: how many nats the true next item costs."""

from collections.abc import Sequence

import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import ItemTokens
from calrec_recbole.losses import token_nll
from calrec_recbole.training.micro_batches.batches import micro_batches
from calrec_recbole.two_tower import collate_sequences, encode_sequences

__all__ = ["nats_per_item"]

TOKENS_AT_ONCE = 16384
CALL_COST = 100  # tokens, as TrainingSettings.micro_batch_cost


@torch.no_grad()
def nats_per_item(backbone: Backbone, items: ItemTokens, pairs: Sequence[tuple[Sequence[int], int]]) -> float:
    """-log P(target text and end token | history), nats, averaged over (history, target) ``pairs``."""
    backbone.model.eval()
    total = 0.0
    examples = [items.example(history, target) for history, target in pairs]
    for piece in micro_batches([len(example.tokens) for example in examples], TOKENS_AT_ONCE, CALL_COST):
        batch = collate_sequences([examples[row] for row in piece], backbone.model.device)
        tower = encode_sequences(backbone.trunk, batch)
        total += float(token_nll(backbone.logits(tower.hidden), tower.labels).double().sum())
    return total / len(examples)
