"""`calrec report` renders again without running."""

from calrec_recbole.cli.calrec import main
from calrec_recbole.plugin.runner import run


def test_from_run_folders_and_from_a_results_folder(tiny_settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("Pop", overrides=tiny_settings, show=False)
    assert main(["report", f"--runs={tiny_settings['output_dir']}", "--out=out", "--title=Mine"]) == 0
    page = tmp_path / "out" / "report.html"
    assert "<title>Mine</title>" in page.read_text()
    assert "Test users by history length" in page.read_text()
    page.unlink()
    assert main(["report", "--runs=out", "--title=Yours"]) == 0
    assert "<title>Yours</title>" in page.read_text()
    assert "calrec report --runs=" in page.read_text()
    assert capsys.readouterr().out.count("report: out/report.html") == 2
