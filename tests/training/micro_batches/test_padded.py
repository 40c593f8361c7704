"""Padded groups of a batch."""

import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]


SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]


SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


CPU = torch.device("cpu")


def training(sequences=SEQUENCES, **changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(
        **{
            "train_steps": 9,
            "train_batch_size": 8,
            "micro_batch_tokens": 120,
            "micro_batch_cost": 0,
            "precision": "float32",
            **changes,
        }
    )
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, sequences, settings, seed=5, device=CPU)


SOME_FIT, ALL_FIT = 240, 100_000  # micro_batch_tokens: of several groups, and of one


def test_padded_groups_hold_every_piece_once_within_the_limit():
    passes = training(micro_batch_tokens=SOME_FIT, packing=False).batch(0).passes
    assert len(passes.sequence_pieces) > 2
    assert sorted(piece for group in passes.groups for piece in group.sequences) == sorted(passes.sequence_pieces)
    assert sorted(piece for group in passes.groups for piece in group.targets) == sorted(passes.target_pieces)
    for group in passes.groups:
        sequences = sum(len(p) * max(len(passes.examples[row].tokens) for row in p) for p in group.sequences)
        targets = sum(len(p) * max(len(passes.examples[row].target) for row in p) for p in group.targets)
        assert sequences + targets <= SOME_FIT
