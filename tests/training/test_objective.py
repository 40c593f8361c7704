"""Eq. 4 on one batch that is read in one piece."""

import math

import pytest
import torch

from calrec_recbole.training import objective
from calrec_recbole.two_tower import collate_sequences, collate_targets, encode_sequences, encode_targets
from tests.training.small_batches import accumulated, training


def loop_info_nce(users, items, temperature):
    """Eqs. 2-3 as printed."""
    cosine = torch.nn.functional.cosine_similarity
    total = 0.0
    for i in range(len(items)):
        terms = [math.exp(float(cosine(users[j], items[i], dim=0)) / temperature) for j in range(len(users))]
        total -= math.log(terms[i] / sum(terms)) / len(items)
    return total


def test_tt_compares_the_target_in_context_and_ut_the_user():
    run = training(alpha=0.125, beta=-0.025)
    batch = run.batch(run.step)
    sequences, targets = collate_sequences(batch.examples), collate_targets(batch.examples, run.items.start)
    with torch.no_grad():
        tower = encode_sequences(run.backbone.trunk, sequences)
        alone = encode_targets(run.backbone.trunk, targets)
        parts = objective(run.backbone, sequences, targets, run.settings)
    assert float(parts.tt) == pytest.approx(loop_info_nce(tower.target_in_context, alone, 0.5), rel=1e-4)
    assert float(parts.ut) == pytest.approx(loop_info_nce(tower.user, alone, 0.5), rel=1e-4)
    expected = 0.9 * float(parts.nig) + 0.125 * float(parts.tt) - 0.025 * float(parts.ut)
    assert float(parts.total) == pytest.approx(expected, rel=1e-5)
    assert abs(float(parts.tt) - float(parts.ut)) > 1e-5


def test_the_generation_loss_is_summed_over_tokens_and_averaged_over_users():
    run = training(alpha=0.0, beta=0.0)
    batch = run.batch(run.step)
    nig = accumulated(run, batch)[0].nig
    expected = 0.0
    for example in batch.examples:
        tokens = torch.from_numpy(example.tokens)[None]
        with torch.no_grad():
            logprobs = torch.log_softmax(run.backbone.model(tokens).logits[0], dim=-1)
        expected -= sum(float(logprobs[place, label]) for place, label in enumerate(example.labels) if label >= 0)
    assert float(nig) == pytest.approx(expected / len(batch.examples), rel=1e-5)


def test_contrast_under_autocast_is_computed_in_float32():
    run = training()
    examples = run.examples(run.step)
    sequences, targets = collate_sequences(examples), collate_targets(examples, run.items.start)
    with torch.no_grad():
        exact = objective(run.backbone, sequences, targets, run.settings)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = objective(run.backbone, sequences, targets, run.settings)
    assert rough.tt.dtype == torch.float32
    assert float(rough.tt) == pytest.approx(float(exact.tt), abs=2e-3)
