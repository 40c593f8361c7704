"""The training loop on a tiny decoder: accumulation, truncation, resumption."""

from dataclasses import replace

import pytest
import torch

from calrec_recbole.backbone import add_dropout
from calrec_recbole.errors import DataError
from calrec_recbole.training import Training, load_state, nats_per_item, save_state
from tests.training.small_loop import CPU, training


def test_warm_up_predicts_every_item_then_only_truncated_targets():
    run = training(warmup_steps=1)
    labels = sum(int((example.labels >= 0).sum()) for example in run.examples(run.step))
    run.step = 1
    assert not run.in_warmup
    targets = run.examples(run.step)
    assert sum(int((example.labels >= 0).sum()) for example in targets) < labels
    assert all((example.labels >= 0).sum() == len(example.target) + 1 for example in targets)


def test_training_lowers_the_loss_and_reports_every_step():
    run = training(train_steps=30, learning_rate=1e-2)
    reports = []
    before = nats_per_item(run.backbone, run.items, [([0], 1), ([1], 2)])
    run.run(30, reports.append)
    assert [report.step for report in reports] == list(range(30))
    assert reports[-1].nats_per_token < 0.5 * reports[0].nats_per_token
    assert nats_per_item(run.backbone, run.items, [([0], 1), ([1], 2)]) < 0.7 * before
    assert not run.backbone.model.training


def test_training_in_bfloat16_leaves_the_attention_as_it_was():
    run = training(train_steps=2, precision="bfloat16", packing=False)
    before = run.backbone.model.config._attn_implementation
    seen = []
    run.run(2, lambda report: seen.append(run.backbone.model.config._attn_implementation))
    assert (before, run.backbone.model.config._attn_implementation) == ("sdpa", "sdpa")
    assert seen == ["eager", "eager"]


def with_dropout(run):
    add_dropout(run.backbone.model, 0.3)
    return run


def test_training_pauses_after_the_step_that_asks_for_it():
    run, reports = training(), []
    run.run(20, reports.append, lambda: len(reports) == 3)
    assert (run.step, [report.step for report in reports]) == (3, [0, 1, 2])
    run.run(5, reports.append, lambda: False)
    assert run.step == 5


@pytest.mark.parametrize("learner", ["adamw", "muon"])
def test_a_resumed_run_ends_bit_identical(tmp_path, learner):
    """With dropout, so that the random state has to come back too; the users and the rate of each step do as well."""
    settings = {"train_steps": 10, "learner": learner, "warmup_steps": 2, "lr_schedule": "cosine"}
    torch.manual_seed(4)
    whole, steps = with_dropout(training(**settings)), []
    whole.run(10, steps.append)
    torch.manual_seed(4)
    first = with_dropout(training(**settings))
    first.run(4, lambda report: None)
    save_state(first, {"best": 1.5}, tmp_path / "last")
    torch.manual_seed(99)
    second, resumed = with_dropout(training(**settings)), []
    assert load_state(second, tmp_path / "last") == {"best": 1.5}
    second.run(10, resumed.append)
    assert [replace(step, seconds=0) for step in resumed] == [replace(step, seconds=0) for step in steps[4:]]
    for ours, theirs in zip(second.backbone.model.parameters(), whole.backbone.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_users_with_one_item_cannot_be_trained_on():
    run = training()
    with pytest.raises(DataError, match="at least two items"):
        Training(run.backbone, run.items, [[1]], run.settings, 0, CPU)
