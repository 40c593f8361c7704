"""`calrec` itself: help is quick, light and complete."""

import subprocess
import sys

import pytest

from calrec_recbole.cli.calrec import main

LIGHT = """
import sys
from calrec_recbole.cli.calrec import build_parser
build_parser()
print([name for name in ("pandas", "numpy", "torch", "recbole", "jnius") if name in sys.modules])
"""


def test_help_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=60)
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


def test_an_error_of_the_system_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_text('{"reviewerID": "u", "asin": "a", "unixReviewTime": 1}\n', encoding="utf-8")
    (tmp_path / "taken").write_text("a file, not a folder", encoding="utf-8")
    assert main(["prepare", "--reviews=r.json", "--out=taken", "--min-user-events=1"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error", "Traceback"))]
    assert len(lines) == 1
