"""Every setting that we ship is read by somebody, and every file belongs to something."""

import re
from pathlib import Path

import pytest
from recbole.utils import argument_list

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.registry import known_models
from calrec_recbole.plugin.settings import CONFIGS, read_settings

FOLDER = Path(str(CONFIGS))
PACKAGE = FOLDER.parent / "calrec_recbole"
SOURCES = "\n".join(file.read_text() for root in (PACKAGE, FOLDER.parent / "baselines") for file in root.rglob("*.py"))
WORDS = set(re.findall(r"\w+", SOURCES))
ARGUMENTS = {key for name, keys in vars(argument_list).items() if name.endswith("_arguments") for key in keys}
FILES = (
    sorted(FOLDER.glob("overall.yaml")) + sorted(FOLDER.glob("model/*.yaml")) + sorted(FOLDER.glob("dataset/*.yaml"))
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_setting_is_read(file):
    model = file.stem.partition("-")[0] if file.parent.name == "model" else "SASRec"
    assert model in known_models()
    recboles = {key for key in Config(model, "ml-100k").internal_config_dict if key not in read_settings(file)}
    for key in read_settings(file):
        read = key.removeprefix("scratch_")  # CALRec's settings of a backbone from scratch
        assert key in ARGUMENTS | recboles or read in WORDS, f"{key} of {file.name} is read by nobody"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_small_numbers_are_numbers_for_every_yaml_reader(file):
    """Plain YAML reads 1e-4 as text: 1.0e-4 is a number everywhere."""
    assert not re.search(r"^[^#\n]*:\s*[-+]?\d+e[-+]?\d", file.read_text(), re.MULTILINE)
