"""A batch in pieces against the same batch in one piece, and the parts of Eq. 4 against double loops."""

from dataclasses import replace

import pytest
import torch

from calrec_recbole.backbone import add_dropout
from calrec_recbole.losses import info_nce
from calrec_recbole.training import objective
from calrec_recbole.training.micro_batches.padded import PaddedGroup
from calrec_recbole.two_tower import collate_sequences, collate_targets
from tests.training.small_batches import ALL_FIT, SOME_FIT, accumulated, gradients, training


def assert_equal_parts(ours, theirs, rtol=1e-5, atol=1e-5):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=rtol, atol=atol, equal_nan=True)


BOTH = pytest.mark.parametrize("packing", [True, False])


@BOTH
@pytest.mark.parametrize("tokens", [SOME_FIT, ALL_FIT])
@pytest.mark.parametrize(
    "changes", [{}, {"nig_reduction": "mean"}, {"alpha": 0.7, "beta": 0.2}, {"alpha": 0.0, "beta": 0.0}]
)
def test_groups_have_the_gradient_of_the_whole_batch(changes, tokens, packing):
    run = training(micro_batch_tokens=tokens, packing=packing, **changes)
    batch = run.batch(run.step)
    assert run.packed == packing
    assert (len(batch.passes.groups) == 1) == (tokens == ALL_FIT)
    parts, found = accumulated(run, batch)
    targets = collate_targets(batch.examples, run.items.start) if batch.contrasts else None
    whole = objective(run.backbone, collate_sequences(batch.examples), targets, run.settings)
    whole.total.backward()
    assert_equal_parts(found, gradients(run.backbone.model))
    assert_equal_parts(parts, whole)


@BOTH
def test_512_users_in_little_memory_have_the_gradient_of_the_big_batch(packing):
    """Paper 4: a batch of 512, which the contrastive losses see whole."""
    sequences = [[(start * place) % 6 for place in range(1, 4 + start % 7)] for start in range(512)]
    run = training(sequences, train_batch_size=512, micro_batch_tokens=4096, micro_batch_cost=100, packing=packing)
    batch = run.batch(run.step)
    assert len(batch.examples) == 512
    assert len(batch.passes.groups) > 5
    parts, found = accumulated(run, batch)
    targets = collate_targets(batch.examples, run.items.start)
    whole = objective(run.backbone, collate_sequences(batch.examples), targets, run.settings)
    whole.total.backward()
    assert_equal_parts(found, gradients(run.backbone.model))
    assert_equal_parts([parts.tt, parts.ut], [whole.tt, whole.ut])


@BOTH
def test_warm_up_groups_have_the_gradient_of_the_mean_over_all_tokens(packing):
    run = training(warmup_steps=3, packing=packing)
    batch = run.batch(run.step)
    assert not batch.contrasts
    _, found = accumulated(run, batch)
    settings = replace(run.settings, nig_reduction="mean")
    objective(run.backbone, collate_sequences(batch.examples), None, settings).total.backward()
    assert_equal_parts(found, gradients(run.backbone.model), rtol=1e-4, atol=1e-6)


def one_graph(run, batch):
    """Eq. 4 with the graphs of all groups held at once, read in their order -> its gradient and its total."""
    read = [batch.read(group) for group in batch.passes.groups]
    rows = torch.cat([towers.sequences for towers in read])
    others = torch.cat([towers.targets for towers in read]).tolist()
    alone = torch.cat([towers.target_alone for towers in read])
    paired = alone[[others.index(row) for row in rows.tolist()]]  # the targets in the order of the sequences
    logits = torch.cat([run.backbone.logits(towers.hidden) for towers in read])
    labels = torch.cat([towers.labels for towers in read])
    nig = torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / len(rows)
    tt = info_nce(torch.cat([towers.target_in_context for towers in read]), paired, run.settings.tau_c)
    ut = info_nce(torch.cat([towers.user for towers in read]), paired, run.settings.tau_c)
    alpha, beta = run.settings.alpha, run.settings.beta
    total = (1 - alpha - beta) * nig + alpha * tt + beta * ut
    total.backward()
    return gradients(run.backbone.model), total.detach()


@BOTH
@pytest.mark.parametrize("tokens", [SOME_FIT, ALL_FIT])
def test_dropout_draws_the_same_masks_in_both_passes(tokens, packing):
    """Otherwise the cached gradients would be those of other features than the second pass gives."""
    run = training(micro_batch_tokens=tokens, alpha=0.7, beta=0.2, packing=packing)
    add_dropout(run.backbone.model, 0.3)
    run.backbone.model.train()
    batch = run.batch(run.step)
    torch.manual_seed(11)
    with run.attending():
        expected, total = one_graph(run, batch)
    run.backbone.model.zero_grad()
    torch.manual_seed(11)
    parts, found = accumulated(run, batch)
    torch.testing.assert_close(parts.total, total, rtol=1e-5, atol=1e-5)
    assert_equal_parts(found, expected)
    other, _ = accumulated(run, batch)
    assert abs(float(other.total - total)) > 1e-3  # new masks for the next batch


@BOTH
@pytest.mark.parametrize(("tokens", "twice"), [(SOME_FIT, True), (ALL_FIT, False)])
def test_only_what_does_not_fit_is_read_twice(tokens, twice, packing):
    run = training(micro_batch_tokens=tokens, packing=packing)
    batch = run.batch(run.step)
    seen = []

    def named(group):  # padded groups are made anew each time, and equal; packed ones hold tensors
        return (group.sequences, group.targets) if isinstance(group, PaddedGroup) else id(group)

    class Watched(type(batch.passes)):
        def read(self, group):
            seen.append((named(group), torch.is_grad_enabled()))
            return super().read(group)

    watched = replace(batch, passes=Watched(**vars(batch.passes)))
    accumulated(run, watched)
    *again, largest = map(named, watched.passes.groups)
    assert bool(again) == twice
    assert seen == [*((group, False) for group in again), (largest, True), *((group, True) for group in again)]
