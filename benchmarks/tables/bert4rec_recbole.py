"""RecBole's own BERT4Rec with its loss computed at the masked places alone: what its faults cost, in less time.

    python benchmarks/tables/bert4rec_recbole.py --dataset=Scientific --enable_amp=true --epochs=30

Takes the settings of run_recbole and leaves the same run folder. RecBole computes scores of all items at every slot for
a mask, most of which are empty, and multiplies the empty ones by 0. Every 50th batch is computed both ways, without
dropout; a difference of more than 1e-3 nats (bfloat16) ends the run.
"""

import sys
from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.bert4rec import BERT4Rec
from torch import Tensor

from calrec_recbole.cli.run_recbole import main

EVERY, TOLERANCE = 50, 1e-3

recboles_loss = BERT4Rec.calculate_loss
calls = 0


def loss_at_masks(model: Any, interaction: Any) -> Tensor:
    """Mean cross-entropy over places with a mask, in nats; as for RecBole, a mask at place 0 counts nothing."""
    states, places = model.forward(interaction[model.MASK_ITEM_SEQ]), interaction[model.MASK_INDEX]
    rows, slots = (places > 0).nonzero(as_tuple=True)
    logits = states[rows, places[rows, slots]] @ model.item_embedding.weight[: model.n_items].T + model.output_bias
    return F.cross_entropy(logits, interaction[model.POS_ITEMS][rows, slots])


def checked_loss(model: Any, interaction: Any) -> Tensor:
    """``loss_at_masks``, now and then held against RecBole's."""
    global calls
    calls += 1
    if calls % EVERY == 1:
        model.eval()
        with torch.no_grad():
            difference = float((loss_at_masks(model, interaction) - recboles_loss(model, interaction)).abs())
        model.train()
        if difference > TOLERANCE:
            sys.exit(f"error: the losses differ by {difference:.2e} nats at call {calls}")
    return loss_at_masks(model, interaction)


if __name__ == "__main__":
    BERT4Rec.calculate_loss = checked_loss
    sys.exit(main(["--model=BERT4Rec", *sys.argv[1:]]))
