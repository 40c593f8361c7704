from dataclasses import replace

import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from calrec_recbole.errors import ConfigError


def test_a_space_that_a_run_would_refuse_is_told_before_any_trial(asked):
    ranges = {
        "learning_rat": FloatDistribution(0.0, 1.0),
        "hidden_dropout_prob": FloatDistribution(0.5, 1.5),
        "train_batch_size": CategoricalDistribution(["many", 2]),
        "epochs": IntDistribution(1, 2),
    }
    with pytest.raises(ConfigError) as problem:
        replace(asked, space=ranges).checked()
    told = str(problem.value).split(" | ")
    assert told[0].startswith("learning_rat of the search space is unknown to SASRec; did you mean 'learning_rate'")
    assert told[1].startswith("search space: hidden_dropout_prob=1.5 must be")
    assert told[2] == "search space: train_batch_size='many' must be a whole number"
    assert told[3:] == ["--epochs is in the search space too: leave one of them out"]


def test_the_first_trial_has_the_defaults_that_lie_in_the_space(asked):
    base = asked.checked()
    assert asked.defaults(base) == {
        "learning_rate": 0.001,
        "hidden_dropout_prob": 0.5,
        "n_layers": 2,
        "hidden_size": 64,
    }
    assert asked.first_trial(base) == {"learning_rate": 0.001, "hidden_dropout_prob": 0.5, "n_layers": 2}


def test_a_study_is_about_data_and_settings_that_matter(asked, tmp_path):
    own = asked.identity(asked.checked())
    for same in ({"show_progress": True}, {"log_tensorboard": True}, {"worker": 1}):
        other = replace(asked, settings={**asked.settings, **same})
        assert other.identity(other.checked()) == own
    other = replace(asked, settings={**asked.settings, "epochs": 4})
    found = other.identity(other.checked())
    assert {name for name in found if found[name] != own[name]} == {"epochs"}
    wider = replace(asked, space={**asked.space, "n_layers": IntDistribution(1, 3)})
    found = wider.identity(wider.checked())
    assert {name for name in found if found[name] != own[name]} == {"range of n_layers"}


def test_the_run_after_the_study_gets_the_files_and_the_command_line_without_what_short_trials_need(asked, tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text(yaml.safe_dump({"epochs": 9, "stopping_step": 2, "gpu_id": ""}))
    given = {"epochs": 5, "data_path": asked.settings["data_path"]}
    request = replace(asked, config_files=[str(file)], settings=given)
    expected = {"epochs": 5, "stopping_step": 2, "data_path": asked.settings["data_path"]}
    assert request.for_the_run(request.checked()) == expected
    calrec = replace(request, model="CALRec", space={}, config_files=[], settings={**given, "valid_users": 3})
    calrec.settings.pop("epochs")
    assert "valid_users" not in calrec.for_the_run(calrec.checked())
    assert calrec.trial_settings(calrec.checked(), {"alpha": 0.5})["valid_users"] == 3


def test_texts_are_encoded_where_other_runs_encode_them(asked):
    base = asked.checked()
    assert asked.trial_settings(base, {})["text_cache"] == "runs/text_features"
    elsewhere = replace(asked, settings={**asked.settings, "text_cache": "here"})
    assert elsewhere.trial_settings(elsewhere.checked(), {})["text_cache"] == "here"


def test_a_setting_of_the_space_in_a_file_is_its_default(asked, tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text(yaml.safe_dump({"learning_rate": 0.02, "n_layers": 1}))
    request = replace(asked, config_files=[str(file)])
    base = request.checked()
    assert request.first_trial(base) == {"learning_rate": 0.02, "n_layers": 1, "hidden_dropout_prob": 0.5}
    assert request.identity(base) == asked.identity(asked.checked())
