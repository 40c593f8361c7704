"""The commands' words; what they do is tested with ``runs.hub``."""

from pathlib import Path

import pytest

from calrec_recbole.cli.calrec import main
from calrec_recbole.runs.hub import publish
from calrec_recbole.runs.hub.weight_delta import Lost


def test_push_prints_what_a_delta_loses_and_the_address(monkeypatch, capsys):
    asked = {}

    def played(run, repo, **settings):
        asked.update(run=run, repo=repo, **settings)
        return "https://hub/commit", Lost(0.1234, 0.00056)

    monkeypatch.setattr(publish, "publish", played)
    assert main(["push", "--run=RUN", "--repo=lab/run", "--delta", "--licence=mit"]) == 0
    assert asked == {
        "run": Path("RUN"),
        "repo": "lab/run",
        "licence": "mit",
        "private": True,
        "bits": 4,
        "replace": False,
    }
    assert capsys.readouterr().out == (
        "difference in 4 bits: 12.34% of it is lost, 0.056% of the weights\nhttps://hub/commit\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["push", "--run=nowhere", "--repo=lab/run"], "error: --run=nowhere holds no metrics.json: give the folder"),
        (["push", "--run=nowhere", "--repo=lab/run", "--bits=3"], "error: --bits=3 must be one of 2, 4, 8"),
        (["push", "--data=no", "--repo=lab/run"], "error: --data=no holds no no.prepare.json: give a folder of calrec"),
        (["push", "--data=no", "--repo=lab/run", "--delta"], "error: --delta is about weights, --data has none"),
        (["push", "--data=no", "--repo=lab/run", "--bits=4"], "error: --bits=4 is about weights, --data has none"),
        (["push", "--run=nowhere", "--repo=lab/run", "--bits=8"], "error: --bits=8 is of the difference: add --delta"),
        (["pull", "--repo=lab/run", "--out=/"], "error: --out=/ exists: give another folder"),
    ],
)
def test_faults_are_one_line(words, told, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(told)
    assert error.count("\n") == 1
