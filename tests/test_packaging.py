"""The wheel holds the whole tree under one name, and nothing else."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "calrec_recbole": "calrec_recbole",
    "baselines": "calrec_recbole/baselines",
    "configs": "calrec_recbole/configs",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tree, check=True, capture_output=True)
    return zipfile.ZipFile(next((tree / "dist").glob("*.whl")))


def test_the_wheel_is_the_tree(wheel):
    expected = {
        f"{installed}/{file.relative_to(ROOT / folder)}"
        for folder, installed in FOLDERS.items()
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".yaml", ".csv", ".html", ".css", ".js", ".typed"}
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_only_one_top_level_name_is_installed(wheel):
    top = [name for name in wheel.namelist() if name.endswith("top_level.txt")]
    assert wheel.read(top[0]).decode().split() == ["calrec_recbole"]


def test_both_commands_are_installed(wheel):
    entries = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(entries).decode()
    assert "run_recbole = calrec_recbole.cli.run_recbole:main" in text
    assert "calrec = calrec_recbole.cli.calrec:main" in text


def _names(requirements: str) -> set[str]:
    """Names of packages, one a line, as registries compare them."""
    lines = [line.strip() for line in requirements.splitlines() if line.strip() and not line.startswith("#")]
    return {re.split(r"[\[<>=\s]", line)[0].lower().replace("_", "-") for line in lines}


def test_the_pins_cover_every_requirement():
    """constraints.txt is installed with --no-deps: a requirement without a pin would be missing after `make`."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]
    assert _names(wanted) - _names((ROOT / "constraints.txt").read_text()) == {"torch"}  # the Makefile's
    manual = setup["options.extras_require"]["docs"] + "\nbuild\ntwine\nsetuptools"
    assert _names(manual) <= _names((ROOT / "constraints-docs.txt").read_text())
