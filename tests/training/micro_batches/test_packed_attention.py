"""Attention within the sequences of a packed row."""

import numpy as np
import pytest
import torch

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.training.micro_batches import packed_attention
from calrec_recbole.training.micro_batches.packed_attention import attending_packed, blocks_of
from calrec_recbole.training.micro_batches.packing import pack, read_packed
from tests.training.micro_batches.architectures import ARCHITECTURES, CPU, backbone_of


@pytest.fixture(params=[False, True], ids=["blocks", "kernel's loop"])
def kernel(request, monkeypatch):
    """Both ways to attend; the fused kernel's by what it computes, in loops."""
    if request.param:
        monkeypatch.setattr(packed_attention, "fused", lambda states: True)

        def in_loops(*args, dropout, **options):
            assert dropout == 0
            return varlen_attention_in_loops(*args, **options)

        monkeypatch.setattr(packed_attention, "varlen_attention", in_loops)


def example(rng, length, prompt, every=False):
    tokens = rng.integers(3, 60, length)
    labels = np.full(length, IGNORED)
    labels[0 if every else prompt - 1 : -1] = tokens[1 if every else prompt :]
    return Example(tokens, prompt, labels)


def some_examples():
    rng = np.random.default_rng(1)
    return [example(rng, *sizes) for sizes in ((9, 6), (23, 20, True), (9, 3), (12, 4), (2, 1))]


START = np.array([1])  # the tokenizer's start token


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.usefixtures("kernel")
def test_a_row_gives_what_its_sequences_give_alone(name):
    """Features, predicting states and the gradient through them, against one forward a sequence."""
    backbone, examples = backbone_of(name), some_examples()
    trunk, weights = backbone.trunk, list(backbone.model.parameters())
    packing = pack(examples, [0, 1, 2, 3, 4], [3, 0], START, CPU)
    with attending_packed(backbone.model):
        towers = read_packed(trunk, packing)
        loss = towers.hidden.square().sum() + towers.user.sum() + towers.target_in_context.prod()
        loss = loss + towers.target_alone.square().sum()
        ours = torch.autograd.grad(loss, weights, allow_unused=True)
    hidden = {row: trunk(torch.from_numpy(one.tokens)[None]).last_hidden_state[0] for row, one in enumerate(examples)}
    user = torch.stack([hidden[row][: examples[row].prompt_length].mean(0) for row in towers.sequences.tolist()])
    context = torch.stack([hidden[row][examples[row].prompt_length :].mean(0) for row in towers.sequences.tolist()])
    targets = [torch.from_numpy(np.concatenate([START, examples[row].target])) for row in towers.targets.tolist()]
    alone = torch.stack([trunk(target[None]).last_hidden_state[0][1:].mean(0) for target in targets])
    predicting = torch.cat([hidden[row][examples[row].labels != IGNORED] for row in towers.sequences.tolist()])
    for one, other in zip(
        (towers.user, towers.target_in_context, towers.hidden, towers.target_alone),
        (user, context, predicting, alone),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    loss = predicting.square().sum() + user.sum() + context.prod() + alone.square().sum()
    for one, other in zip(ours, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
        if other is not None:
            assert float((one - other).norm()) <= 1e-5 * float(other.norm()) + 1e-6
    assert sorted(towers.sequences.tolist()) == [0, 1, 2, 3, 4]
    assert sorted(towers.targets.tolist()) == [0, 3]
    labels = [examples[row].labels[examples[row].labels != IGNORED] for row in towers.sequences.tolist()]
    assert towers.labels.tolist() == np.concatenate(labels).tolist()


def test_blocks_cover_the_row_in_order():
    lengths = [90, 88, 40, 40, 3, 2, 1]
    blocks = blocks_of(lengths, CPU)
    assert len(blocks) > 1
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert blocks[-1].stop == sum(lengths)
    assert sum(block.sequences for block in blocks) == len(lengths)
    states = torch.randn(sum(lengths), 2, 4)
    for block in blocks:
        assert torch.equal(block.gather(block.spread(states)), states[block.start : block.stop])
