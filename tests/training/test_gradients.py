"""A batch in pieces against the same batch in one piece, and the parts of Eq. 4 against double loops."""

import math
from dataclasses import replace

import pytest
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, add_dropout, scratch_model, train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings, objective
from calrec_recbole.two_tower import collate_sequences, collate_targets, encode_sequences, encode_targets

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)
CPU = torch.device("cpu")


def training(**changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(
        **{"train_steps": 9, "train_batch_size": 8, "micro_batch_tokens": 120, "precision": "float32", **changes}
    )
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, SEQUENCES, settings, seed=5, device=CPU)


def gradients(model):
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize(
    "changes", [{}, {"nig_reduction": "mean"}, {"alpha": 0.7, "beta": 0.2}, {"alpha": 0.0, "beta": 0.0}]
)
def test_pieces_have_the_gradient_of_the_whole_batch(changes):
    run = training(**changes)
    model, batch = run.backbone.model, run.batch()
    assert len(batch.sequence_pieces) > 2
    parts = batch.accumulate()
    pieces = gradients(model)
    model.zero_grad()
    targets = collate_targets(batch.examples, run.items.start) if batch.target_pieces else None
    whole = objective(run.backbone, collate_sequences(batch.examples), targets, run.settings)
    whole.total.backward()
    for ours, theirs in zip(pieces, gradients(model), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-5, equal_nan=True)


def test_warm_up_pieces_have_the_gradient_of_the_mean_over_all_tokens():
    run = training(warmup_steps=3)
    model, batch = run.backbone.model, run.batch()
    assert not batch.target_pieces
    batch.accumulate()
    pieces = gradients(model)
    model.zero_grad()
    objective(
        run.backbone, collate_sequences(batch.examples), None, replace(run.settings, nig_reduction="mean")
    ).total.backward()
    for ours, theirs in zip(pieces, gradients(model), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_both_passes_draw_the_same_dropout():
    run = training()
    add_dropout(run.backbone.model, 0.3)
    run.backbone.model.train()
    batch = run.batch()
    seen = []
    original = type(batch)._sequences

    class Watched(type(batch)):
        def _sequences(self, piece):
            tower = original(self, piece)
            seen.append(tower.user.detach().clone())
            return tower

    Watched(**vars(batch)).accumulate()
    pieces = len(batch.sequence_pieces)
    assert len(seen) == 2 * pieces
    for first, second in zip(seen[:pieces], seen[pieces:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(seen[0], original(batch, batch.sequence_pieces[0]).user)


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
    batch = run.batch()
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
    batch = run.batch()
    expected = 0.0
    for example in batch.examples:
        tokens = torch.from_numpy(example.tokens)[None]
        with torch.no_grad():
            logprobs = torch.log_softmax(run.backbone.model(tokens).logits[0], dim=-1)
        expected -= sum(float(logprobs[place, label]) for place, label in enumerate(example.labels) if label >= 0)
    assert float(batch.accumulate().nig) == pytest.approx(expected / len(batch.examples), rel=1e-5)


def test_contrast_under_autocast_is_computed_in_float32():
    run = training()
    examples = run.examples()
    sequences, targets = collate_sequences(examples), collate_targets(examples, run.items.start)
    with torch.no_grad():
        exact = objective(run.backbone, sequences, targets, run.settings)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = objective(run.backbone, sequences, targets, run.settings)
    assert rough.tt.dtype == torch.float32
    assert float(rough.tt) == pytest.approx(float(exact.tt), abs=2e-3)
