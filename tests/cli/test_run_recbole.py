import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calrec_recbole.cli.run_recbole import main


def arguments(tiny_settings, model="Pop", **more):
    return [f"--model={model}", *(f"--{key}={value}" for key, value in {**tiny_settings, **more}.items())]


def test_a_run_by_command(tiny_settings, capsys):
    assert main(arguments(tiny_settings)) == 0
    shown = capsys.readouterr().out
    assert "ndcg@10" in shown
    assert "run folder:" in shown


def test_out_is_output_dir_as_in_the_other_commands(tiny_settings, tmp_path, capsys):
    given = arguments(tiny_settings)
    assert main([*given, f"--out={tmp_path}"]) == 2
    assert "--out and --output_dir are one setting" in capsys.readouterr().err
    given = [one for one in given if not one.startswith("--output_dir")]
    assert main([*given, f"--out={tmp_path}/there"]) == 0
    assert list((tmp_path / "there" / "Tiny" / "Pop").glob("*/metrics.json"))


def test_something_is_said_before_torch_is_loaded():
    code = "import sys\nfrom calrec_recbole.cli.run_recbole import main\nsys.exit(main(sys.argv[1:]))"
    given = ["--model=SASRec", "--dataset=Scientifik", "--data_path=/nowhere"]
    done = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True)
    assert done.stderr.splitlines()[0] == "loading torch and RecBole ..."
    assert done.stderr.splitlines()[1].startswith("error: ")


def test_files_lie_below_arguments(tiny_settings, tmp_path):
    (tmp_path / "a.yaml").write_text("model: Pop\nseed: 1\n")
    (tmp_path / "b.yaml").write_text("seed: 2\n")
    rest = arguments(tiny_settings)[1:]
    for separator in (" ", ","):
        assert main([f"--config_files={tmp_path}/a.yaml{separator}{tmp_path}/b.yaml", *rest]) == 0
    assert main([f"--config_files={tmp_path}/a.yaml", "--seed=3", *rest]) == 0
    seeds = sorted(
        folder.name.partition("-")[0] for folder in Path(tiny_settings["output_dir"], "Tiny", "Pop").iterdir()
    )
    assert seeds == ["2", "2", "3"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--model=SASRec"], "--dataset=NAME missing"),
        (["--seed=1"], "--model=NAME and --dataset=NAME missing"),
        (["--model=sasrek", "--dataset=ml-100k"], "did you mean 'SASRec'?"),
        (["--model=SASRec", "--dataset=ml-100k", "--learning_rat=1"], "did you mean 'learning_rate'?"),
        (["--model=SASRec", "--dataset=Scientifik", "--data_path=/nowhere"], "did you mean 'Scientific'?"),
        (["--model", "SASRec"], "argument '--model' is not of the form --key=value"),
        (
            ["--model=LIR", "--dataset=ml-100k", "--config_files=/nowhere.yaml"],
            "config file /nowhere.yaml cannot be read",
        ),
    ],
)
def test_an_error_is_one_line(given, reason, capsys):
    assert main(given) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert reason in shown.err


def test_help_loads_neither_recbole_nor_torch():
    code = (
        "import sys\nfrom calrec_recbole.cli.run_recbole import main\nmain(['--help'])\n"
        "print([name for name in ('recbole', 'torch', 'pandas', 'jnius') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert shown[0].startswith("usage: run_recbole --model=NAME --dataset=NAME")
    for part in ("CALRec, LIR", "SASRec", "overall.yaml", "--key=value"):
        assert part in done.stdout


def test_no_argument_shows_the_help(capsys):
    assert main([]) == 2
    assert "usage: run_recbole" in capsys.readouterr().out


def test_values_are_not_executed(tiny_settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(tiny_settings, wandb_project="open('hacked','w')")) == 0
    assert main(arguments(tiny_settings, p="__import__('os').getpid()")) == 2
    assert "'p' is unknown to Pop" in capsys.readouterr().err
    assert not Path("hacked").exists()


def test_ctrl_c_ends_a_run_with_one_line(tiny_settings):
    """The folder stays unfinished; the interpreter answers 130."""
    small = {"epochs": 10**6, "hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "stopping_step": 10**6}
    small |= {"state": "ERROR"}  # little on stderr: nobody reads the pipe before the end
    code = "import sys\nfrom calrec_recbole.cli.run_recbole import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments(tiny_settings, "SASRec", **small)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    runs = Path(tiny_settings["output_dir"])
    deadline = time.monotonic() + 120
    while not list(runs.glob("Tiny/SASRec/*/checkpoint/state.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert (
        errors.rstrip().splitlines()[-1]
        == "interrupted: the run is unfinished; the same command goes on, or starts it again"
    )
    assert "Traceback" not in errors
    folder = next(runs.glob("Tiny/SASRec/*"))
    assert not (folder / "metrics.json").exists()
