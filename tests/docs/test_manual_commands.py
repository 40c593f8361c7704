"""Every command of the manual names a subcommand, options and settings that exist."""

import os
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from calrec_recbole.cli import calrec
from calrec_recbole.cli.compare_arguments import experiment_of
from calrec_recbole.comparison.plan import shared_settings
from calrec_recbole.plugin.config import Config
from calrec_recbole.setting_files import parse_arguments
from tests.docs.conftest import ROOT, blocks, shell_lines

PLACEHOLDER = re.compile(r"<[^<>]+>")
EXAMPLES = {
    "--model=NAME": "--model=SASRec",
    "--dataset=NAME": "--dataset=ml-100k",
    "--experiment=NAME": "--experiment=table7",
}
OPTIONAL = re.compile(r"\[--[^\]]*\]+")


def _commands(page: Path, name: str) -> list[list[str]]:
    """The words behind ``name`` of each command of a page, without comments and optional parts."""
    found = []
    for line in shell_lines(page):
        words = shlex.split(OPTIONAL.sub("", PLACEHOLDER.sub("PLACE", line)), comments=True) if name in line else []
        if name in words[:1] or (name in words and words[0] == "torchrun"):
            behind = words[words.index(name) + 1 :]
            found.append([EXAMPLES.get(word, word.rstrip(";")) for word in behind if word != "..."])
    return found


@pytest.fixture(autouse=True)
def models_of_the_page(request, tmp_path, monkeypatch):
    """A page's own module can be imported."""
    if "page" in request.fixturenames:
        for code in blocks(request.getfixturevalue("page"), "python"):
            if named := re.match(r"# (\w+\.py)\n", code):
                (tmp_path / named[1]).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_models", None)


@pytest.mark.parametrize("name", ["run_recbole", "calrec_recbole.cli.run_recbole"])
def test_settings_of_run_recbole(page, name):
    for words in _commands(page, name):
        if "--help" in words or not words:
            continue
        given = parse_arguments(words)
        if given.get("device") == "xla" and find_spec("torch_xla") is None:
            given["device"] = "auto"  # without the package it is refused, whatever else is right
        files = re.split(r"[\s,]+", str(given.pop("config_files", "")))
        shipped = [file for file in files if file and not file.endswith(".yaml")]
        Config(str(given.pop("model")), str(given.pop("dataset", "ml-100k")), shipped, given)


def test_options_of_calrec(page, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for code in blocks(page, "yaml"):
        if "rows:" in code:  # an experiment that a reader writes
            (tmp_path / "mine.yaml").write_text(code)
    for words in _commands(page, "calrec"):
        if {"--help", "--version"} & set(words) or not words:
            continue
        arguments = calrec._parse([word.replace("mine.yaml", str(tmp_path / "mine.yaml")) for word in words])
        if arguments.command == "compare":
            _check_comparison(arguments)


def _check_comparison(arguments) -> None:
    """Each setting of a row is known to its model, and each of all rows to one of them."""
    experiment = experiment_of(arguments)
    dataset = experiment.datasets[0]
    for row in experiment.rows:
        files = [file for file in row.config_files if not file.startswith("runs/")]  # of a command above
        Config(row.model, dataset, files, dict(row.settings))
    known = set().union(*(Config(model, dataset).known for model in {row.model for row in experiment.rows}))
    assert set(shared_settings(experiment)) <= known


def test_scripts_and_targets_exist(page):
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text())
    for words in _commands(page, "make"):
        assert words[0] in targets
    for words in _commands(page, "python"):
        assert words[0].startswith("-") or (ROOT / words[0]).is_file(), f"{words[0]} is not there"
    for line in shell_lines(page):
        if re.match(r"benchmarks/\w+\.sh", line):
            assert os.access(ROOT / line.split()[0], os.X_OK)


@pytest.mark.parametrize("command", [[], *([name] for name in calrec.COMMANDS)], ids=lambda words: " ".join(words))
def test_help_is_printed(command, capsys):
    with pytest.raises(SystemExit) as end:
        calrec.build_parser().parse_args([*command, "--help"])
    assert end.value.code == 0
    assert "usage: calrec" in capsys.readouterr().out


def test_the_search_spaces_that_the_manual_lists_are_those_that_are_shipped():
    text = " ".join((ROOT / "docs" / "tuning.md").read_text(encoding="utf-8").split())
    listed = re.search(r"Shipped: ([\w, ]+);", text)
    assert listed
    assert sorted(listed[1].split(", ")) == sorted(file.stem for file in (ROOT / "configs" / "tuning").glob("*.yaml"))


def test_the_manual_has_commands():
    """The tests above look at something."""
    pages = [ROOT / "README.md", ROOT / "docs" / "reproduce.md", ROOT / "docs" / "results" / "stages.md"]
    assert [len(_commands(page, "calrec")) > 0 for page in pages] == [True, True, True]
    assert len(_commands(pages[0], "run_recbole")) >= 6
