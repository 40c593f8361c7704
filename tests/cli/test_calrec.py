"""`calrec` itself: help is quick, light and complete."""

import contextlib
import os
import re
import subprocess
import sys

import pytest

from calrec_recbole.cli import calrec, run_recbole, stats
from calrec_recbole.cli.calrec import COMMANDS, build_parser, main, spelled

LIGHT = """
import sys
from calrec_recbole.cli.calrec import build_parser
build_parser()
print([name for name in ("pandas", "numpy", "torch", "recbole", "jnius") if name in sys.modules])
"""


def test_help_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=600)
    assert done.stdout == "[]\n", done.stderr


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "prepare" in out
    assert "stats" in out


@pytest.mark.parametrize("argv", [[], ["prepar"], ["stats"]])
def test_wrong_usage_is_one_line(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_spelled_alike_in_all_commands(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert not re.findall(r"--[a-z]+-[a-z]", shown)
    assert "--output" not in shown


def test_a_dash_means_an_underscore_in_options_of_ours():
    given = ["compare", "--config-files=a-b", "--dataset", "ml-100k", "--LIR.some-key=1", "--no-such=1"]
    expected = ["compare", "--config_files=a-b", "--dataset", "ml-100k", "--LIR.some-key=1", "--no-such=1"]
    assert spelled(build_parser(), given) == expected
    assert spelled(build_parser(), ["prepare", "--no-dedup"]) == ["prepare", "--no_dedup"]


def test_ctrl_c_is_130_and_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stats, "run", interrupted)
    assert main(["stats", "--dataset=Tiny"]) == 130
    assert capsys.readouterr().err == "\ninterrupted: the same command starts again\n"


def test_an_error_of_the_system_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_text('{"reviewerID": "u", "asin": "a", "unixReviewTime": 1}\n', encoding="utf-8")
    (tmp_path / "taken").write_text("a file, not a folder", encoding="utf-8")
    assert main(["prepare", "--reviews=r.json", "--out=taken", "--min_user_events=1"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error", "Traceback"))]
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("environment", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
@pytest.mark.parametrize("command", ["calrec", "run_recbole"])
def test_waiting_threads_give_their_core_away_unless_the_user_says_how(
    command, environment, spins, monkeypatch, capsys
):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ask_for_help = {"calrec": main, "run_recbole": run_recbole.main}[command]
    with contextlib.suppress(SystemExit):
        ask_for_help(["--help"])
    assert os.environ.get("GOMP_SPINCOUNT") == spins


def test_the_command_that_a_results_folder_keeps_has_no_password():
    given = calrec._parse(["stats", "--dataset=a", "--data_path=http://me:secret@host/x"])
    assert given.command_line == "calrec stats --dataset=a '--data_path=http://***@host/x'"


@pytest.mark.parametrize(
    "words",
    [
        ["export", "--dataset=ml-100k", "--format=jsonl"],
        ["compare", "--experiment=table2"],
        ["pull", "--repo=a/b"],
        ["tune", "--model=SASRec", "--dataset=ml-100k", "--trials=1"],
    ],
)
def test_a_file_where_a_folder_is_wanted_is_told(words, tmp_path, capsys):
    file = tmp_path / "pool.py"
    file.touch()
    assert main([*words, f"--out={file}"]) == 2
    assert capsys.readouterr().err == f"error: --out={file} is a file: give a folder\n"
    assert main([*words, f"--out={file}/a/b"]) == 2
    assert capsys.readouterr().err == f"error: --out={file}/a/b: {file} is a file: give a folder\n"
