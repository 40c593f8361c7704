"""A run by address: its samples are kept as they come, and the same command goes on where the server was lost."""

import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.run_folder import SAMPLES_FILE
from calrec_recbole.runs.user_samples import read_samples

UNTUNED = {"train_steps": 0, "warmup_steps": 0, "valid_users": 1, "generation_engine": "openai", "engine_patience": 0}


def questions(bodies):
    return {(tuple(body["prompt"]), body["seed"]) for body in bodies}


def test_a_server_killed_within_a_batch_loses_no_finished_prompt(calrec_settings, serve):
    """Seven answers: a check and a validation, the check of checkpoint/best, four of the eight test users."""
    trained = run("CALRec", overrides=calrec_settings, show=False)
    model = load_run(trained.folder).model.recommender.backbone.model
    lost, back = serve(model=model), serve(model=model)
    settings = {**calrec_settings, **UNTUNED, "pre_model_path": str(trained.folder), "eval_batch_size": 8}
    answer = lost.choice

    def choice(body, number):
        if lost.answered == 6:
            lost.fail = [503] * 1000
        return answer(body, number)

    lost.choice = choice
    with pytest.raises(ConfigError, match=r"the same command goes on with the users that are left"):
        run("CALRec", overrides={**settings, "engine_url": lost.url, "engine_requests": 1}, show=False)
    finished = run("CALRec", overrides={**settings, "engine_url": back.url}, show=False)
    kept = read_samples(finished.folder / SAMPLES_FILE)
    assert len([one for one in kept if one.split == "test"]) == 8
    before, after = questions(lost.asked[3:7]), questions(back.asked)
    assert (len(before), len(after), before & after) == (4, 4, set())
    assert finished.test.keys() == trained.test.keys()


def test_no_server_is_told_before_the_data_are_read(calrec_settings, monkeypatch):
    monkeypatch.setattr("calrec_recbole.plugin.data.prepared.read_dataset", None)
    with pytest.raises(ConfigError, match=r"engine_url=http://127.0.0.1:9 does not answer"):
        run("CALRec", overrides={**calrec_settings, **UNTUNED, "engine_url": "http://127.0.0.1:9"}, show=False)
