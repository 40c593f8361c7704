"""The two losses of pretraining."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import LongformerForMaskedLM

from calrec_recbole.baselines.recformer.pretraining import batches, item_contrast, masked_language_model
from calrec_recbole.baselines.recformer.word_masks import IGNORED
from tests.baselines.recformer.small_networks import HISTORIES, as_longformer, plain


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
