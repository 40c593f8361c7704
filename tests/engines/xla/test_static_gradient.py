"""XLA's way to the gradient of a batch, on a CPU against the usual one."""

import pytest
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.engines.xla.static_gradient import bucket
from calrec_recbole.engines.xla.static_training import StaticTraining
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number) * (1 + 9 * number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


def training(kind=StaticTraining, **changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(
        **{"train_steps": 9, "train_batch_size": 8, "micro_batch_tokens": 600, "precision": "float32", **changes}
    )
    items = tokenise_items(TEXTS, tokenizer, 200)
    return kind(Backbone(model, tokenizer), items, SEQUENCES, settings, seed=5, device=torch.device("cpu"))


@pytest.mark.parametrize(
    "changes",
    [{}, {"nig_reduction": "mean"}, {"alpha": 0.7, "beta": 0.2}, {"alpha": 0.0, "beta": 0.0}, {"warmup_steps": 3}],
)
def test_padded_pieces_have_the_gradient_and_losses_of_the_usual_ones(changes):
    native, run = training(Training, **changes), training(**changes)
    batch, fixed = native.batch(0), run.batch(0)
    with native.attending():
        usual = batch.accumulate()
    expected = [parameter.grad for parameter in native.backbone.model.parameters()]
    for ours, theirs in zip(fixed.accumulate(), usual, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, equal_nan=True)
    for parameter, gradient in zip(run.backbone.model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_shapes_are_a_function_of_the_bucket_alone():
    """Over an epoch: several buckets, several pieces of one bucket, rows that only fill up."""
    run = training(micro_batch_tokens=256)
    shapes, pieces, filling = {}, 0, 0
    for run.step in range(5):
        fixed = run.batch(run.step)
        users = []
        for piece in fixed._sequences():
            shapes.setdefault(piece.tokens.shape[1], set()).add(tuple(tuple(part.shape) for part in piece))
            rows = [row for row in piece.rows.tolist() if row < len(fixed.examples)]
            users += rows
            filling += len(piece.rows) - len(rows)
            pieces += 1
        assert sorted(users) == list(range(8))
    assert len(shapes) > 1
    assert all(len(found) == 1 for found in shapes.values())
    assert pieces > 5 * len(shapes)
    assert filling > 0


@pytest.mark.parametrize(("length", "width"), [(1, 32), (32, 32), (33, 64), (64, 64), (65, 128), (1025, 2048)])
def test_buckets_are_powers_of_two(length, width):
    assert bucket(length) == width


def test_the_share_of_pads_by_hand():
    fixed = training(alpha=0.0, beta=0.0).batch(0)
    tokens = sum(len(example.tokens) for example in fixed.examples)
    widths = [bucket(len(example.tokens)) for example in fixed.examples]
    pieces = {width: -(-widths.count(width) // (600 // width)) for width in widths}
    padded = sum(number * (600 // width) * width for width, number in pieces.items())
    assert fixed.padding == pytest.approx(1 - tokens / padded)
