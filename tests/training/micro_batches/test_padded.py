"""Padded groups of a batch."""

from tests.training.small_batches import SOME_FIT, training


def test_padded_groups_hold_every_piece_once_within_the_limit():
    passes = training(micro_batch_tokens=SOME_FIT, packing=False).batch(0).passes
    assert len(passes.sequence_pieces) > 2
    assert sorted(piece for group in passes.groups for piece in group.sequences) == sorted(passes.sequence_pieces)
    assert sorted(piece for group in passes.groups for piece in group.targets) == sorted(passes.target_pieces)
    for group in passes.groups:
        sequences = sum(len(p) * max(len(passes.examples[row].tokens) for row in p) for p in group.sequences)
        targets = sum(len(p) * max(len(passes.examples[row].target) for row in p) for p in group.targets)
        assert sequences + targets <= SOME_FIT
