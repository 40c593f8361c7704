import importlib.util
from pathlib import Path

import pytest
import yaml

from calrec_recbole.plugin.tuning import objective_function


@pytest.fixture
def fixed(tiny_settings, tmp_path):
    """A YAML file with everything that the trials share."""
    file = tmp_path / "fixed.yaml"
    small = {"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "model": "SASRec"}
    file.write_text(yaml.safe_dump({**tiny_settings, **small}))
    return file


def test_the_objective_answers_as_recboles(fixed, tiny_settings):
    found = objective_function({"learning_rate": "1e-2"}, [fixed])
    assert list(found) == ["model", "best_valid_score", "valid_score_bigger", "best_valid_result", "test_result"]
    assert (found["model"], found["valid_score_bigger"]) == ("SASRec", True)
    assert found["best_valid_score"] == found["best_valid_result"]["ndcg_pes@10"]
    runs = Path(tiny_settings["output_dir"], "Tiny", "SASRec")
    assert len(list(runs.iterdir())) == 1


@pytest.mark.skipif(
    importlib.util.find_spec("hyperopt") is None, reason="HyperTuning needs hyperopt: pip install recbole[hyperopt]"
)
@pytest.mark.filterwarnings("default")  # hyperopt's
def test_recboles_hyper_tuning(fixed, tiny_settings):
    from recbole.trainer import HyperTuning

    space = {"uniform": {"learning_rate": [1e-3, 1e-2]}}
    tuning = HyperTuning(
        objective_function, params_dict=space, fixed_config_file_list=[fixed], algo="random", max_evals=2
    )
    tuning.run()
    assert len(tuning.params2result) == 2
    assert tuning.best_score == max(result["best_valid_score"] for result in tuning.params2result.values())
    assert len(list(Path(tiny_settings["output_dir"], "Tiny", "SASRec").iterdir())) == 2
