"""What training is asked for, checked when made."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.training import TrainingSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_steps": -1}, "train_steps=-1"),
        ({"tau_c": -1.0}, "tau_c=-1.0"),
        ({"warmup_steps": 21}, "warmup_steps=21 exceeds train_steps=20"),
        ({"nig_reduction": "max"}, "nig_reduction='max' must be one of sum, mean"),
        ({"learner": "adam"}, "learner='adam' must be one of adamw, muon"),
        ({"micro_batch_cost": -1}, "micro_batch_cost=-1"),
        ({"truncate_last": -1}, "truncate_last=-1"),
        ({"parallel": "tp"}, "parallel='tp' must be one of ddp, fsdp"),
        ({"parallel": "fsdp", "learner": "muon"}, "learner=muon needs whole matrices, parallel=fsdp cuts them"),
    ],
)
def test_settings_out_of_range_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings(**{"train_steps": 20, **changes})
