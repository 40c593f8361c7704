"""A small study of SASRec on Tiny."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from calrec_recbole.tuning.search_space import read_space
from calrec_recbole.tuning.tuning_request import TuningRequest

SPACE = {
    "learning_rate": {"low": 1.0e-3, "high": 0.1, "log": True},
    "hidden_dropout_prob": {"low": 0.0, "high": 0.5},
    "n_layers": {"low": 1, "high": 2, "type": "int"},
    "hidden_size": {"choices": [4, 8]},
}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    file = tmp_path / "space.yaml"
    file.write_text(yaml.safe_dump(SPACE, sort_keys=False))
    return file


@pytest.fixture
def small(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """The fixed settings of the trials."""
    fixed = {name: value for name, value in tiny_settings.items() if name not in ("dataset", "output_dir")}
    return {**fixed, "epochs": 3, "inner_size": 8, "n_heads": 1, "log_tensorboard": False}


@pytest.fixture
def asked(small: dict[str, Any], space: Path, tmp_path: Path) -> TuningRequest:
    return TuningRequest("SASRec", "Tiny", read_space(space), settings=small, out=tmp_path / "tuning")
