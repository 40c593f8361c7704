"""`calrec stats`: the table, with and without a row of the paper."""

from calrec_recbole.cli.calrec import main

INTER = "user_id:token\titem_id:token\ttimestamp:float\nu\ta\t1\nu\tb\t2\n"


def prepared(folder, name):
    (folder / name).mkdir()
    (folder / name / f"{name}.inter").write_text(INTER, encoding="utf-8")
    (folder / name / f"{name}.item").write_text("item_id:token\ttitle:token\na\tRed Saw\nb\tSaw\n", encoding="utf-8")


def test_with_the_papers_row(tmp_path, capsys):
    prepared(tmp_path, "Scientific")
    assert main(["stats", "--dataset=Scientific", f"--data_path={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "9,461" in out
    assert "66,644" in out
    words = next(line for line in out.splitlines() if "Words/Item" in line)
    assert all(number in words for number in ("1.50", "22.82", "-93.4 %"))  # (2 + 1) / 2; 1.50 / 22.82 - 1
    assert "unknown" in out  # duplicates: not prepared by us, no summary


def test_without_one(tmp_path, capsys):
    prepared(tmp_path, "Mine")
    assert main(["stats", "--dataset=Mine", f"--data_path={tmp_path}"]) == 0
    assert "paper" not in capsys.readouterr().out


def test_missing_data_says_what_to_run(tmp_path, capsys):
    assert main(["stats", "--dataset=Games", f"--data_path={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --dataset=Games: no ")
    assert "calrec prepare --category=Games" in error
    assert error.count("\n") == 1
