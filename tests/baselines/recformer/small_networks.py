"""Histories for a small Recformer, and the Longformer inside it."""

import torch
from transformers import LongformerForMaskedLM

from calrec_recbole.baselines.recformer.inputs import FlatItem, flatten


def item(*tokens):
    return FlatItem(tokens, (1,) + (2,) * (len(tokens) - 1), tuple(range(len(tokens))))


HISTORIES = [
    flatten(history, 0, 5, 60)
    for history in (
        [item(10, 11, 12)],
        [item(20, 21, 22, 23, 24), item(30, 31, 32, 33, 34, 35)],
        [item(*range(40, 60)), item(*range(60, 75))],
        [item(90, 91)],
    )
]


def plain(network):
    """Item positions and token types set to zero: a Longformer."""
    embeddings = network.longformer.embeddings
    with torch.no_grad():
        embeddings.item_position_embeddings.weight.zero_()
        embeddings.token_type_embeddings.weight.zero_()
    return network


def as_longformer(kind, network):
    model = kind(network.config).eval()
    source = network if kind is LongformerForMaskedLM else network.longformer
    missing, unexpected = model.load_state_dict(source.state_dict(), strict=False)
    assert all("pooler" in name for name in missing)
    assert all("item_position" in name for name in unexpected)
    return model
