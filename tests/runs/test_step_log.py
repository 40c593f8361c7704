import pytest
import torch
from tqdm import tqdm

from calrec_recbole.runs.step_log import Meter, line
from calrec_recbole.training import StepReport


def step(number, **values):
    nan = float("nan")
    given = {"total": 4.0, "nig": 4.0, "tt": nan, "ut": nan, "chance": nan, "nats_per_token": 1.0, "gradient_norm": 0.5}
    rest = {"learning_rate": 0.1, "tokens": 100, "padding": 0.1, "seconds": 2.0}
    return StepReport(step=number, phase="warm-up", **{**given, **rest, **values})


def test_reports_hold_means_over_their_steps_and_the_sum_of_tokens_by_the_sum_of_seconds():
    seen = []
    with tqdm(total=5, disable=True) as bar:
        meter = Meter(bar, torch.device("cpu"), 2, lambda *report: seen.append(report))
        meter.add(step(0, total=2.0, tokens=100, seconds=1.0))
        assert seen == []
        meter.add(step(1, total=4.0, tokens=500, seconds=2.0, learning_rate=0.2))
        meter.add(step(2, total=9.0))
        meter.flush()
        meter.flush()  # nothing is left
    assert [(number, phase) for number, phase, _ in seen] == [(2, "warm-up"), (3, "warm-up")]
    values = seen[0][2]
    assert (values["total"], values["learning_rate"], values["padding"]) == (3.0, 0.2, pytest.approx(0.1))
    assert values["tokens_per_second"] == 600 / 3  # not the mean of 100 and 250
    assert seen[1][2]["total"] == 9.0
    assert "loss 3.000 (nig 4.000), 1.000 nats a token" in line(values)
    contrast = line({**values, "tt": 2.1, "ut": 3.9, "chance": 3.871})
    assert "loss 3.000 (nig 4.000, tt 2.100, ut 3.900, ln B 3.871), 1.000 nats a token" in contrast
    assert "rate 2.00e-01, 200 tokens/s, padding 10.0%" in line(values)
