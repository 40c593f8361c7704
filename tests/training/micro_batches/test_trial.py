"""What a trial measures, and where there is none."""

import pytest
import torch

from calrec_recbole.training.cached_gradients import BatchGradient
from calrec_recbole.training.micro_batches.sizes import Sizes
from calrec_recbole.training.micro_batches.trial import sizes_of

CPU = torch.device("cpu")


def test_no_trial_is_run_on_a_cpu(tiny_training):
    def trial(sizes):
        raise AssertionError

    run = tiny_training()
    assert sizes_of(run.settings, run.backbone.model, CPU, trial, run.processes) == Sizes(120, 0, 256)


@pytest.mark.parametrize("packing", [True, False])
def test_a_trial_reads_about_as_many_tokens_as_it_is_told(packing, tiny_training, monkeypatch):
    run, seen = tiny_training(packing=packing), []
    whole = BatchGradient.accumulate

    def watched(batch):
        seen.append([len(example.tokens) for example in batch.examples])
        return whole(batch)

    monkeypatch.setattr(BatchGradient, "accumulate", watched)
    with run.attending():
        run._trial(Sizes(500, 0, 256))
    (lengths,) = seen
    assert sum(lengths[:-1]) < 500 <= sum(lengths)
    assert all(weight.grad is None for weight in run.backbone.model.parameters())
