"""What the command line of `calrec compare` asks for."""

import os
from argparse import Namespace

import pytest

from calrec_recbole.cli import compare_arguments
from calrec_recbole.cli.compare_arguments import experiment_of, machine_of
from calrec_recbole.errors import ConfigError

NOTHING = {"experiment": "", "dataset": "", "models": "", "seeds": "", "config_files": "", "reference": ""}


def asked(*settings, **arguments):
    return experiment_of(Namespace(**{**NOTHING, **arguments}, settings=list(settings)))


def test_models_become_rows_with_the_settings_of_all_and_their_own():
    found = asked("--topk=[5]", "--SASRec.epochs=3", dataset="Games, Tools", models="Pop,SASRec", seeds="1,2")
    assert (found.name, found.datasets, found.seeds) == ("Games-Tools", ["Games", "Tools"], [1, 2])
    assert found.settings == {"topk": [5]}
    assert [(row.label, row.settings) for row in found.rows] == [("Pop", {}), ("SASRec", {"epochs": 3})]


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ([], {"models": "Pop"}, "--dataset=... missing"),
        ([], {}, "--dataset=... and --models=... missing"),
        ([], {"dataset": "Games", "models": "Pop", "seeds": "1,x"}, "--seeds='x' must be whole numbers"),
        (["--SASRek.epochs=3"], {"dataset": "Games", "models": "SASRec"}, "did you mean 'SASRec'"),
        ([], {"experiment": "table7", "models": "Pop"}, "--models and --experiment exclude each other"),
    ],
)
def test_what_is_missing_or_wrong_is_named(settings, arguments, message):
    with pytest.raises(ConfigError, match=message):
        asked(*settings, **arguments)


def machine(*settings, **options):
    nothing = {"gpus": None, "cores": None, "jobs": None, "launcher": "local"}
    return machine_of(Namespace(**{**nothing, **options}, settings=list(settings)))


def test_a_gpu_is_a_job_and_all_cores_are_used():
    found = machine(gpus="0,1")
    assert (found.jobs, found.cores) == (2, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ([], {"gpus": "0,x"}, "--gpus=0,x: x is no GPU: give numbers"),
        ([], {"gpus": "0,1", "cores": 4, "jobs": 3}, "--jobs=3 needs as many --gpus; 2 are given"),
        ([], {"gpus": "", "cores": 2, "jobs": 3}, "--jobs=3 exceeds the 2 cores"),
        ([], {"gpus": "", "cores": 0}, "--cores=0 must be at least 1"),
        (["--slurm.time=5"], {}, "--slurm.time=5 is for --launcher=slurm: add that"),
        (
            [],
            {"launcher": "slurm", "gpus": "0"},
            "--gpus=0 is for --launcher=local: with slurm use --slurm.gpus",
        ),
        (
            [],
            {"launcher": "slurm", "cores": 4},
            "--cores=4 is for --launcher=local: with slurm use --slurm.cpus",
        ),
        ([], {"launcher": "slurm", "jobs": 0}, "--jobs=0 must be at least 1"),
        (["--slurm.time=2:00:00"], {"launcher": "slurm"}, "--slurm.time=2:00:00 must be in minutes"),
    ],
)
def test_a_machine_that_cannot_be(settings, options, message):
    with pytest.raises(ConfigError, match=message):
        machine(*settings, **options)


def test_settings_of_the_cluster_are_none_of_the_models(monkeypatch):
    monkeypatch.setattr(compare_arguments, "Slurm", dict)
    assert machine("--slurm.time=5", "--slurm.mem=8GB", "--epochs=1", launcher="slurm").slurm == {
        "time": 5,
        "mem": "8GB",
    }
    assert asked("--slurm.time=5", "--epochs=1", dataset="Games", models="Pop").settings == {"epochs": 1}
