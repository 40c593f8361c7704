"""The display of a comparison, on a terminal and in a file."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from calrec_recbole.comparison import Experiment
from calrec_recbole.comparison.display import Progress, newest_line
from calrec_recbole.comparison.plan import plan

LOG = """\
2026-01-01 10:00:00,000 INFO SASRec on Tiny: runs/Tiny/SASRec/1-ab
2026-01-01 10:01:00,000 INFO epoch 0 evaluating [time: 0.67s, valid_score: 0.100000]
ndcg_opt@10 : 0.1
"""


def runs(tmp_path):
    first, second = plan(Experiment("x", datasets=["Tiny"], models=["SASRec", "LIR"]))
    return replace(first, folder=tmp_path), replace(second, error="it [broke]")


def test_a_file_gets_a_line_a_change(tmp_path):
    first, second = runs(tmp_path)
    out = StringIO()
    with Progress([first.name, second.name], Console(file=out, width=200)) as progress:
        progress.tell(first.name, "running", first)
        progress.tell(first.name, "done", first)
        progress.tell(second.name, "failed", second)
    lines = out.getvalue().splitlines()
    assert lines == [
        "SASRec on Tiny running",
        f"SASRec on Tiny done after 0:00: {tmp_path}",
        "LIR on Tiny failed: it [broke]",
    ]


def test_a_terminal_gets_one_table_with_the_newest_line(tmp_path):
    first, second = runs(tmp_path)
    (tmp_path / "log.txt").write_text(LOG)
    out = StringIO()
    console = Console(file=out, width=150, force_terminal=True, color_system=None)
    with Progress([first.name, second.name], console) as progress:
        progress.tell(first.name, "running", first)
        assert "epoch 0 evaluating [time: 0.67s, valid_score: 0.100000]" in out.getvalue()
        assert "1 waiting, 1 running" in out.getvalue()
        progress.tell(second.name, "failed", second)
        progress.tell(first.name, "done", first)
    last = out.getvalue()[out.getvalue().rindex("1 done") :]
    assert "it [broke]" in last


def test_the_newest_line_of_a_long_log(tmp_path):
    (tmp_path / "log.txt").write_text("x" * 10_000 + "\n" + LOG)
    assert newest_line(tmp_path / "log.txt").startswith("epoch 0 evaluating")
    (tmp_path / "empty").write_text("no line of a log\n")
    assert newest_line(tmp_path / "empty") == newest_line(tmp_path / "missing") == ""
