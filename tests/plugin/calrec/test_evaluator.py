"""An evaluation that was limited, ended or killed goes on where it stood, to the bits of one that nobody touched."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation import read_ranks
from calrec_recbole.plugin.calrec.core_settings import UserLimits
from calrec_recbole.plugin.calrec.trainer import CALRecTrainer
from calrec_recbole.plugin.runner import run
from calrec_recbole.recommender import Recommender
from calrec_recbole.runs.run_folder import run_id, users_left
from calrec_recbole.runs.user_samples import read_samples
from calrec_recbole.training import Training

NO_TIME = 1e-9  # minutes: one batch
ORDER = [f"u{number}" for number in np.random.default_rng([3]).permutation(8)]  # rows are u0 to u7


@pytest.fixture
def settings(calrec_settings):
    """Eight test users in batches of three."""
    return {**calrec_settings, "eval_batch_size": 3}


@pytest.fixture
def whole(settings, tmp_path):
    """The run that nobody limited, ended or killed."""
    return run("CALRec", overrides={**settings, "output_dir": str(tmp_path / "whole")}, show=False)


@pytest.fixture
def asked(monkeypatch):
    """All prompts for which samples were drawn."""
    prompts = []
    original = Recommender.predictions

    def counted(self, given, seeds, tell=None):
        prompts.extend(tuple(prompt.tolist()) for prompt in given)
        return original(self, given, seeds, tell)

    monkeypatch.setattr(Recommender, "predictions", counted)
    return prompts


def same_result(folder, other):
    for name in ("metrics.json", "ranks.parquet", "trained_on.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    tables = [pq.read_table(place / "samples.parquet").replace_schema_metadata(None) for place in (folder, other)]
    assert tables[0].equals(tables[1])
    assert not (folder / "samples").exists()
    found, wanted = (json.loads((place / "environment.json").read_text()) for place in (folder, other))
    for name in ("users", "samples", "validated_on"):
        assert found[name] == wanted[name]


def no_training(patch):
    patch.setattr(Training, "_one_step", None)
    patch.setattr(CALRecTrainer, "_validate", None)


def test_a_limited_run_is_extended_and_ends_as_the_one_without_limit(settings, whole, asked, monkeypatch, capsys):
    asked.clear()
    first = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME})
    assert sorted(read_ranks(first.folder).index) == sorted(ORDER[:3])
    assert (first.users["test"], first.users["test_in_all"], first.left) == (3, 8, 5)
    assert "users: 3 valid, 3 test of 8: the run's command goes on" in capsys.readouterr().out
    assert (
        "3 of 8 test users are done, by evaluate_minutes=1e-09: the same command goes on with the others"
        in (first.folder / "log.txt").read_text()
    )
    assert json.loads((first.folder / "metrics.json").read_text())["left"] == users_left(first.folder) == 5
    assert json.loads((first.folder / "environment.json").read_text())["users"]["test"] == 3
    partly = read_ranks(first.folder)
    with monkeypatch.context() as patch:
        no_training(patch)
        second = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
        assert second.folder == first.folder
        assert sorted(read_ranks(second.folder).index) == sorted(ORDER[:6])
        assert read_ranks(second.folder).loc[partly.index].equals(partly)
        third = run("CALRec", overrides=settings, show=False)
    assert third.folder == first.folder
    same_result(third.folder, whole.folder)
    assert (third.valid, third.test, third.best_valid_score) == (whole.valid, whole.test, whole.best_valid_score)
    tested = asked[-8:]
    assert len(set(tested)) == 8  # nobody twice
    assert users_left(third.folder) == 0
    fourth = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    assert fourth.folder.name == f"{first.folder.name}-2"  # a whole run is never touched again


def test_enough_time_is_no_limit(settings, whole):
    result = run("CALRec", overrides={**settings, "evaluate_minutes": 60}, show=False)
    assert result.left == 0
    same_result(result.folder, whole.folder)


def test_fewer_test_users_are_the_first_of_the_same_order(settings):
    some = {**settings, "test_users": 5}
    first = run("CALRec", overrides={**some, "evaluate_minutes": NO_TIME}, show=False)
    assert (sorted(read_ranks(first.folder).index), first.left) == (sorted(ORDER[:3]), 2)
    second = run("CALRec", overrides=some, show=False)
    assert second.folder == first.folder
    assert list(read_ranks(second.folder).index) == sorted(ORDER[:5])
    assert second.users == {"valid": 3, "test": 5, "test_in_all": 8}


def test_the_limit_is_no_part_of_the_id():
    assert run_id({"seed": 7}, {}, [UserLimits]) == run_id({"seed": 7, "evaluate_minutes": 5.0}, {}, [UserLimits])


def test_what_was_done_stays_readable_until_more_is_done(settings, monkeypatch):
    """A kill in the second call leaves the row of the first."""
    first = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    before = {name: (first.folder / name).read_bytes() for name in ("metrics.json", "ranks.parquet")}

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "predictions", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run("CALRec", overrides=settings, show=False)
    assert before == {name: (first.folder / name).read_bytes() for name in before}


def test_samples_that_come_one_by_one_are_on_disk_before_their_batch_is_done(settings, whole, monkeypatch):
    """What a kill leaves; the run ends as the one whose batches came whole, part by part."""
    on_disk = []
    original = Recommender.predictions_as_drawn

    def one_by_one(self, prompts, seeds, tell=None):
        (drawn,) = original(self, prompts, seeds)
        for place in sorted(drawn, reverse=True):
            yield {place: drawn[place]}
            parts = Path(settings["output_dir"]).rglob("part-*.parquet")
            on_disk.append(len([one for part in parts for one in read_samples(part) if one.split == "test"]))

    monkeypatch.setattr("calrec_recbole.plugin.calrec.model.SAVED_EVERY", 0.0)
    monkeypatch.setattr(Recommender, "predictions_as_drawn", one_by_one)
    result = run("CALRec", overrides=settings, show=False)
    assert on_disk[-8:] == [1, 2, 3, 4, 5, 6, 7, 8]
    same_result(result.folder, whole.folder)


def test_samples_of_weights_that_were_trained_anew_are_drawn_anew(settings, asked, monkeypatch):
    run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    first = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    state = first.folder / "checkpoint" / "best" / "state.json"
    state.write_text(state.read_text().replace('"nats": ', '"nats": 1'))
    asked.clear()
    again = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    assert again.users["test"] == len(asked) == 3
    assert "drawn by other weights: its users are sampled again" in (first.folder / "log.txt").read_text()


def test_weights_that_are_finished_are_not_validated_twice(settings, whole, asked, monkeypatch):
    untuned = {**settings, "pre_model_path": str(whole.folder), "train_steps": 0, "warmup_steps": 0}
    other = {"temperature": 0.7, "seed": 5}  # samples of its own
    expected = run("CALRec", overrides={**untuned, **other, "output_dir": f"{settings['output_dir']}-2"}, show=False)
    asked.clear()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CALRecTrainer, "_merge_samples", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run("CALRec", overrides={**untuned, **other}, show=False)
    assert len(asked) == 3 + 8
    with monkeypatch.context() as patch:
        no_training(patch)
        result = run("CALRec", overrides={**untuned, **other}, show=False)
    assert len(asked) == 3 + 8
    same_result(result.folder, expected.folder)
    assert result.users == expected.users


def test_a_validation_of_finished_weights_goes_on_too(settings, whole, asked, monkeypatch):
    untuned = {**settings, "pre_model_path": str(whole.folder), "train_steps": 0, "warmup_steps": 0, "valid_users": 0}
    untuned["temperature"] = 0.7
    expected = run("CALRec", overrides={**untuned, "output_dir": f"{settings['output_dir']}-2"}, show=False)
    asked.clear()
    original, calls = Recommender.predictions, []

    def dying(self, prompts, seeds, tell=None):
        calls.append(len(prompts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, prompts, seeds)

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "predictions", dying)
        with pytest.raises(KeyboardInterrupt):
            run("CALRec", overrides=untuned, show=False)
    assert len(asked) == 6
    result = run("CALRec", overrides=untuned, show=False)
    assert len(asked) == 16 == len(set(asked))
    same_result(result.folder, expected.folder)


def test_a_damaged_end_of_training_is_named(settings):
    first = run("CALRec", overrides={**settings, "evaluate_minutes": NO_TIME}, show=False)
    (first.folder / "checkpoint" / "trained.json").write_text("{")
    with pytest.raises(
        DataError, match=r"trained\.json is damaged .*: remove the run's folder, run it again"
    ) as caught:
        run("CALRec", overrides=settings, show=False)
    assert "\n" not in str(caught.value)


def test_wrong_minutes_are_named(settings):
    with pytest.raises(ConfigError, match="evaluate_minutes=-1 must be at least 0"):
        run("CALRec", overrides={**settings, "evaluate_minutes": -1}, show=False)


# Real signals to real processes

SLOW = {"n_gen": 48, "max_new_tokens": 120, "eval_batch_size": 1, "temperature": 1.0}  # some 0.2 s a user


def start(settings):
    arguments = [f"--{key}={json.dumps(value)}" for key, value in settings.items()]
    command = [sys.executable, "-m", "calrec_recbole.cli.run_recbole", "--model=CALRec", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # the bits depend on it
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(pattern, place, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not list(place.glob(pattern)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_sigterm_in_the_evaluation_leaves_what_is_done_and_exits_with_143(settings, tmp_path):
    slow = {**settings, **SLOW}
    expected = run("CALRec", overrides={**slow, "output_dir": str(tmp_path / "whole")}, show=False)
    process, runs = start(slow), tmp_path / "runs" / "Tiny" / "CALRec"
    wait_for("*/samples/part-00001.parquet", runs, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143
    (folder,) = runs.iterdir()
    assert errors.rstrip().splitlines()[-1] == (
        f"terminated: the run is unfinished; the same command goes on from {folder}/samples"
    )
    assert "Traceback" not in errors
    parts = sorted(path.name for path in (folder / "samples").iterdir())
    assert 2 <= len(parts) < 8
    assert all(name.startswith("part-") for name in parts)
    assert not (folder / "metrics.json").exists()
    result = run("CALRec", overrides=slow, show=False)
    assert result.folder == folder
    same_result(result.folder, expected.folder)
    found = json.loads((folder / "environment.json").read_text())
    assert found["sampling_seconds_before_resume"] > 0


@pytest.mark.slow  # whole processes; tests/plugin/test_kill.py kills forks of one around each part of the samples
def test_sigkill_at_random_moments_of_the_evaluation_changes_nothing(settings, tmp_path):
    slow = {**settings, **SLOW}
    expected = run("CALRec", overrides={**slow, "output_dir": str(tmp_path / "whole")}, show=False)
    rng, runs = np.random.default_rng(), tmp_path / "runs" / "Tiny" / "CALRec"
    ends, parts = [], 0
    while len(ends) < 3 and 0 not in ends:
        process = start(slow)
        wait_for(f"*/samples/part-{parts:05d}.parquet", runs, process)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        ends.append(process.returncode)
        left = len(list(runs.glob("*/samples/part-*.parquet")))
        assert left > parts or process.returncode == 0
        parts = left
    assert -signal.SIGKILL in ends
    if 0 not in ends:
        run("CALRec", overrides=slow, show=False)
    (folder,) = runs.iterdir()
    same_result(folder, expected.folder)
