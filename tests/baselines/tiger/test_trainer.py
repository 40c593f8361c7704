"""The paper's optimiser: a constant rate, then the inverse square root of the step."""

import pytest
import torch

from calrec_recbole.baselines.tiger.trainer import TigerTrainer
from calrec_recbole.plugin.runner import run

SMALL = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 2, "head_size": 4, "train_batch_size": 8}


def test_a_run_is_trained_by_adafactor(text_settings, monkeypatch):
    made = []
    build = TigerTrainer._build_optimizer

    def kept(self, **given):
        made.append(build(self, **given))
        return made[-1]

    monkeypatch.setattr(TigerTrainer, "_build_optimizer", kept)
    run("TIGER", overrides={**text_settings, **SMALL}, show=False)
    run("TIGER", overrides={**text_settings, **SMALL, "learner": "adam"}, show=False)
    assert [type(one) for one in made] == [torch.optim.Adafactor, torch.optim.Adam]
    assert made[0].param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize(("step", "rate"), [(1, 0.01), (10_000, 0.01), (40_000, 0.005)])
def test_the_rate_is_the_papers(step, rate):
    """One weight of size 2 with a constant gradient: Adafactor moves it by rate x its size x gradient's sign."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.Adafactor([weight], lr=0.01)
    weight.grad = torch.ones(1)
    optimizer.step()
    with torch.no_grad():
        weight.fill_(2.0)
    optimizer.state[weight]["step"].fill_(step - 1)
    optimizer.step()
    assert 2.0 - weight.item() == pytest.approx(2 * rate, rel=1e-4)
