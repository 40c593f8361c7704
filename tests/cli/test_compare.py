"""`calrec compare` from the arguments to the report."""

import time

import pytest

from calrec_recbole.cli.calrec import main
from calrec_recbole.comparison import resolution


@pytest.fixture
def arguments(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {key: value for key, value in tiny_settings.items() if key not in ("dataset", "epochs")}
    given = [f"--{key}={value}" for key, value in settings.items()]
    return ["compare", "--dataset=Tiny", "--models=Pop,LIR", "--LIR.retrieval=okapi", "--out=out", *given]


def test_a_failure_is_reported_and_done_again_alone(arguments, tmp_path, capsys, monkeypatch):
    wrong = [one.replace("okapi", "okapy") for one in arguments]
    assert main([*wrong, "--jobs=2", "--cores=2"]) == 2
    shown = capsys.readouterr()
    assert "Pop on Tiny done" in shown.out
    assert "1 of 2 runs failed; the same command tries them again: LIR on Tiny: " in shown.err
    assert "okapy" in shown.err
    assert shown.err.count("\n") == 1
    assert "okapy" in (tmp_path / "out" / "table.md").read_text()

    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Pop on Tiny reused" in out
    assert "LIR on Tiny done" in out
    assert "failed" not in (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "slices.csv").is_file()

    def no_recbole(*_):
        raise AssertionError("RecBole was asked although every run exists")

    monkeypatch.setattr(resolution, "_ask", no_recbole)
    begun = time.monotonic()
    assert main(arguments) == 0
    assert time.monotonic() - begun < 20
    assert "LIR on Tiny reused" in capsys.readouterr().out


def test_a_setting_that_none_knows_is_one_line(arguments, capsys):
    assert main([*arguments, "--learning_rat=1"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(
        "error: setting 'learning_rat' is known to none of the models; did you mean 'learning_rate'"
    )
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["compare"], "--dataset=... and --models=... missing"),
        (["compare", "--dataset=A", "--models=LIR", "epochs=1"], "'epochs=1' is not of the form --key=value"),
        (["report", "--runs=/nowhere"], "--runs=/nowhere is no folder"),
        (["report", "--runs=/nowhere", "--ot=x"], "unknown argument --ot=x; did you mean '--out'"),
    ],
)
def test_wrong_usage_is_one_line(given, reason, capsys):
    assert main(given) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert reason in shown.err
    assert shown.err.count("\n") == 1
