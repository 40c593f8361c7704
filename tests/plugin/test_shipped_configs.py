"""Every setting that we ship is read by somebody, and every file belongs to something."""

import inspect
import re
import sys
from pathlib import Path

import pytest
import recbole.data.transform
from recbole.utils import argument_list

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.registry import known_models, model_class
from calrec_recbole.setting_files import CONFIGS, read_settings

FOLDER = Path(str(CONFIGS))
PACKAGE = FOLDER.parent / "calrec_recbole"
SOURCES = "\n".join(file.read_text() for root in (PACKAGE, FOLDER.parent / "baselines") for file in root.rglob("*.py"))
WORDS = set(re.findall(r"\w+", SOURCES))
ARGUMENTS = {key for name, keys in vars(argument_list).items() if name.endswith("_arguments") for key in keys}
FILES = (
    sorted(FOLDER.glob("overall.yaml")) + sorted(FOLDER.glob("model/*.yaml")) + sorted(FOLDER.glob("dataset/*.yaml"))
)


def words_of(model: str) -> set[str]:
    """Words of RecBole's files that the model is made of, and of RecBole's batch transforms."""
    modules = [sys.modules[base.__module__] for base in model_class(model).__mro__]
    recboles = [module for module in modules if module.__name__.startswith("recbole.model.sequential")]
    return {
        word for part in (*recboles, recbole.data.transform) for word in re.findall(r"\w+", inspect.getsource(part))
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_setting_is_read(file):
    model = file.stem.partition("-")[0] if file.parent.name == "model" else "SASRec"
    assert model in known_models()
    recboles = {key for key in Config(model, "ml-100k").internal_config_dict if key not in read_settings(file)}
    for key in read_settings(file):
        read = key.removeprefix("scratch_")  # CALRec's settings of a backbone from scratch
        assert key in ARGUMENTS | recboles or read in WORDS | words_of(model), f"{key} of {file.name} is read by nobody"
    assert set(read_settings(file)) - {"prepare"} <= Config(model, "ml-100k").known


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_small_numbers_are_numbers_for_every_yaml_reader(file):
    """Plain YAML reads 1e-4 as text: 1.0e-4 is a number everywhere."""
    assert not re.search(r"^[^#\n]*:\s*[-+]?\d+e[-+]?\d", file.read_text(), re.MULTILINE)
