"""Who owns which weights, and the course of the learning rate."""

import pytest

from calrec_recbole.training import TrainingSettings
from calrec_recbole.training.optimiser import learning_rate
from tests.training.small_loop import training


@pytest.mark.parametrize("learner", ["adamw", "muon"])
def test_every_parameter_has_one_optimiser(learner):
    run = training(learner=learner)
    owned = [
        parameter for optimiser in run.optimisers for group in optimiser.param_groups for parameter in group["params"]
    ]
    assert sorted(map(id, owned)) == sorted(map(id, run.backbone.model.parameters()))
    if learner == "muon":  # 7 linear maps in each of 2 blocks; embeddings (tied to the head) and norms stay with AdamW
        assert [len(group["params"]) for group in run.optimisers[1].param_groups] == [14]
        assert id(run.backbone.model.get_output_embeddings().weight) not in {
            id(parameter) for parameter in run.optimisers[1].param_groups[0]["params"]
        }


def test_the_learning_rate_rises_then_stays_or_falls():
    constant = TrainingSettings(train_steps=100, learning_rate=1.0, lr_warmup_steps=10)
    assert learning_rate(0, constant) == pytest.approx(0.1)
    assert learning_rate(50, constant) == 1.0
    cosine = TrainingSettings(train_steps=100, learning_rate=1.0, lr_warmup_steps=10, lr_schedule="cosine")
    assert learning_rate(50, cosine) == pytest.approx(0.05 + 0.95 * 0.5)
    assert learning_rate(99, cosine) < 0.06
