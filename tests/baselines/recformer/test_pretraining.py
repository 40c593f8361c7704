"""The two losses of pretraining."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import LongformerForMaskedLM

from calrec_recbole.baselines.recformer.backbone import LongformerSizes, from_scratch
from calrec_recbole.baselines.recformer.inputs import FlatItem, flatten
from calrec_recbole.baselines.recformer.pretraining import batches, item_contrast, masked_language_model
from calrec_recbole.baselines.recformer.word_masks import IGNORED


@pytest.fixture
def small_recformer():
    """Window 8, 5 items, 60 tokens; a vocabulary of 270."""
    torch.manual_seed(1)
    sizes = LongformerSizes(270, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
    backbone = from_scratch(sizes, ["title", "brand", "Red Glue", "Blue Pen"], 8, 6, 60)
    backbone.network.eval()
    return backbone


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


def test_each_history_picks_its_own_target():
    histories, targets = torch.randn(4, 3), torch.randn(4, 3)
    expected = 0.0
    for row in range(4):
        cosines = [float(F.cosine_similarity(histories[row], target, dim=0)) / 0.05 for target in targets]
        expected -= (cosines[row] - math.log(sum(math.exp(cosine) for cosine in cosines))) / 4
    assert float(item_contrast(histories, targets, 0.05)) == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_the_loss_on_masked_tokens_is_the_longformers(small_recformer):
    network = plain(small_recformer.network)
    labels = [[IGNORED] * len(history.tokens) for history in HISTORIES]
    labels[0][2], labels[2][5], labels[2][30] = 11, 33, 44
    tokens = network.tokens_of(HISTORIES)
    wanted = torch.full_like(tokens.ids, IGNORED)
    for row, label in enumerate(labels):
        wanted[row, : len(label)] = torch.tensor(label)
    everywhere = torch.zeros_like(tokens.mask)
    everywhere[:, 0] = 1
    theirs = as_longformer(LongformerForMaskedLM, network)(
        tokens.ids, attention_mask=tokens.mask, global_attention_mask=everywhere, labels=wanted
    ).loss
    torch.testing.assert_close(masked_language_model(network, HISTORIES, labels, 64), theirs)


def test_a_batch_of_one_row_has_no_negatives():
    assert batches(torch.arange(5).numpy(), 2) == [[0, 1], [2, 3, 4]]
    assert batches(torch.arange(1).numpy(), 2) == [[0]]
