"""`calrec demo` with a runner that answers at once."""

import pytest

from calrec_recbole.cli.calrec import main
from calrec_recbole.plugin import runner
from calrec_recbole.runs.results import RunResult

METRICS = {"ndcg_opt@10": 0.5, "ndcg_exp@10": 0.375, "ndcg_pes@10": 0.25}


@pytest.mark.parametrize("option", ["--out={}", "--output-dir={}", "--output_dir={}"])  # the last two: of old
def test_three_models_run_on_ml_100k_and_stand_in_one_table(option, tmp_path, monkeypatch, capsys):
    asked = []

    def run(model, dataset, files, settings, show):
        asked.append((model, dataset, files, settings["output_dir"], show))
        return RunResult(tmp_path / model, METRICS, METRICS, 0.25, {"valid": 1, "test": 1})

    monkeypatch.setattr(runner, "run", run)
    assert main(["demo", option.format(tmp_path)]) == 0
    assert [name for name, *_ in asked] == ["Pop", "LIR", "CALRec"]
    assert {tuple(map(str, rest)) for _, *rest in asked[:2]} == {("ml-100k", "[]", str(tmp_path), "False")}
    assert asked[2][2] == ["demo"]  # its small settings
    told = capsys.readouterr().out
    assert told.count("0.5000 / 0.3750 / 0.2500") == 3  # a line each as soon as it is there
    table = told[told.index("ml-100k, test") :]
    assert [table.count(value) for value in ("won", "0.5000", "at random", "0.3750", "lost", "0.2500")] == [3] * 6
    first = told.index("Pop: ndcg@10 0.5000 / 0.3750 / 0.2500, 0 s")
    assert first < told.index("LIR ...")
    assert f"run folder: {tmp_path / 'CALRec'}" in told
