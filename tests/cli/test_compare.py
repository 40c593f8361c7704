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


CALREC = {
    **{"scratch_vocab_size": 300, "scratch_hidden_size": 16, "scratch_intermediate_size": 32, "eval_batch_size": 3},
    **{"scratch_num_hidden_layers": 1, "scratch_num_attention_heads": 2, "train_batch_size": 4, "valid_users": 3},
    **{"train_steps": 2, "warmup_steps": 0, "n_gen": 2, "max_new_tokens": 4, "retrieval": "okapi"},
}


def test_rows_of_fewer_users_are_compared_on_those_and_extended(arguments, tmp_path, capsys):
    own = {**CALREC, "MAX_ITEM_LIST_LENGTH": 5}
    given = [one.replace("Pop,LIR", "LIR,CALRec") for one in arguments]
    given += [f"--CALRec.{key}={value}" for key, value in own.items()]
    assert main([*given, "--CALRec.evaluate_minutes=1e-9"]) == 0
    table = (tmp_path / "out" / "table.md").read_text()
    assert "3 of 8 test users, those that all rows share." in table
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "LIR on Tiny reused" in shown
    assert shown.count("CALRec on Tiny done") == 2
    assert "\n8 test users." in (tmp_path / "out" / "table.md").read_text()
    assert len(list((tmp_path / "runs" / "Tiny" / "CALRec").iterdir())) == 1


def test_a_row_that_only_samples_is_left_out_by_name(arguments, tmp_path):
    own = {**CALREC, "retrieval": "none"}
    given = [one.replace("Pop,LIR", "LIR,CALRec") for one in arguments]
    assert main([*given, *(f"--CALRec.{key}={value}" for key, value in own.items())]) == 0
    table = (tmp_path / "out" / "table.md").read_text()
    (folder,) = (tmp_path / "runs" / "Tiny" / "CALRec").iterdir()
    told = "CALRec is left out: its run has samples and no ranks; calrec rank --run="
    assert f"{told}{folder.relative_to(tmp_path)} makes them." in table
    assert main(["rank", f"--run={folder}", "--retrieval=okapi"]) == 0
    assert main(["report", "--runs=out"]) == 0
    assert "left out" not in (tmp_path / "out" / "table.md").read_text()
    assert "| CALRec |" in (tmp_path / "out" / "table.md").read_text()
