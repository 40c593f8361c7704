"""The objective for RecBole's ``HyperTuning``: one run a trial, all of them kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.runner import run

__all__ = ["objective_function"]


def objective_function(
    config_dict: Mapping[str, Any] | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    saved: bool = True,
) -> dict[str, Any]:
    """RecBole's signature and answer; ``model`` and ``dataset`` stand in the files or in ``config_dict``.

    ``saved`` is accepted for RecBole's sake: every trial leaves its run folder. RecBole's exhaustive search needs
    hyperopt 0.2.5 (``pip install recbole[hyperopt]``), its random search takes newer ones too.

        HyperTuning(objective_function, params_dict={"choice": {"learning_rate": [1e-3, 1e-4]}},
                    fixed_config_file_list=["sasrec.yaml"])
    """
    config = Config(config_dict=config_dict, config_file_list=config_file_list)
    result = run(config_files=config_file_list or (), overrides=config_dict, show=False)
    return {
        "model": config["model"],
        "best_valid_score": result.best_valid_score,
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": result.valid,
        "test_result": result.test,
    }
