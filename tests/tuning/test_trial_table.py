import csv
import json

from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from calrec_recbole.tuning.trial_table import write_trials


def test_every_trial_is_a_row(tmp_path):
    ranges = {"x": FloatDistribution(0.0, 1.0)}
    trials = [
        create_trial(
            value=0.5,
            params={"x": 0.25},
            distributions=ranges,
            intermediate_values={1: 0.5, 0: 0.25},
            user_attrs={"cpu_seconds": 2.5, "folder": "a, b"},
        ),
        create_trial(state=TrialState.FAIL, user_attrs={"error": 'it said "no"'}),
    ]
    write_trials(tmp_path / "trials.csv", trials)
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert (rows[0]["state"], rows[0]["value"], rows[0]["x"], rows[0]["folder"]) == ("COMPLETE", "0.5", "0.25", "a, b")
    assert json.loads(rows[0]["values"]) == {"0": 0.25, "1": 0.5}
    assert (rows[1]["state"], rows[1]["value"], rows[1]["error"]) == ("FAIL", "", 'it said "no"')
