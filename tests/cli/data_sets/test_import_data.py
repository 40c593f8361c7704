"""`calrec import` as a user meets it: one command, then a model runs."""

import pytest

from calrec_recbole.cli import run_recbole
from calrec_recbole.cli.calrec import main

EVENTS = "".join(
    f"{user},{item},{1588615855070 + 86400000 * day}\n" for user in "abc" for day, item in enumerate("tgpc")
)
FILES = {
    "events.csv": "customer,article,bought_at\n" + EVENTS,
    "items.csv": "article,title,brand\nt,Blue Tape,3M\ng,Red Glue,\np,Red Pen,Bic\nc,Pen Cap,Bic\n",
}
COLUMNS = ["--user=customer", "--item=article", "--time=bought_at"]


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


def run(capsys, *argv):
    code = main(["import", "--interactions=events.csv", "--items=items.csv", *argv])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def test_one_command_then_a_model(tmp_path, capsys):
    code, out, errors = run(capsys, *COLUMNS, "--name=Shop")
    assert (code, errors) == (0, [])
    assert out == [
        "times: ms since 1970, 2020-05-04 18:10:55+00:00 to 2020-05-07 18:10:55+00:00",
        "dataset/Shop: 3 users, 4 items, 12 events",
        "items that lack category 4, brand 1, price 4; without a row: 0",
        "next: run_recbole --model=LIR --dataset=Shop",
    ]
    assert run_recbole.main(["--model=LIR", "--dataset=Shop", "--gpu_id=", "--retrieval=okapi"]) == 0
    assert list((tmp_path / "runs" / "Shop" / "LIR").glob("*/metrics.json"))


def test_another_folder_and_dropped_rows(tmp_path, capsys):
    (tmp_path / "events.csv").write_text(FILES["events.csv"] + "a,,1\n")
    code, out, errors = run(capsys, *COLUMNS, "--name=Shop", "--bad_rows=drop", "--out=data")
    assert (code, errors) == (0, [])
    assert out[1] == "dropped of --interactions=events.csv: 1 article is no id"
    assert out[-1] == "next: run_recbole --model=LIR --dataset=Shop --data_path=data"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            [*COLUMNS[:2], "--time=when", "--name=S"],
            "error: --time=when is no column of events.csv; its columns are custom",
        ),
        (
            [*COLUMNS, "--name=S", "--title=name"],
            "error: --title=name is no column of items.csv; its columns are article",
        ),
        ([*COLUMNS, "--name=a/b"], "error: --name='a/b' is not a folder name"),
        (
            [*COLUMNS, "--name=S", "--time_format=%d"],
            "error: --interactions=events.csv: 12 rows cannot be used: bought_at",
        ),
        (COLUMNS, "error: the following arguments are required: --name"),
    ],
)
def test_errors_are_one_line_and_code_2(capsys, argv, message):
    try:
        code, _, errors = run(capsys, *argv)
    except SystemExit as stop:
        code, errors = stop.code, capsys.readouterr().err.splitlines()
    assert (code, len(errors)) == (2, 1)
    assert errors[0].startswith(message)
