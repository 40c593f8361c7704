"""What the command line of `calrec compare` asks for."""

import os
from argparse import Namespace

import pytest

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


def test_a_gpu_is_a_job_and_all_cores_are_used():
    machine = machine_of(Namespace(gpus="0,1", cores=None, jobs=None))
    assert (machine.jobs, machine.cores) == (2, len(os.sched_getaffinity(0)))
    with pytest.raises(ConfigError, match="--jobs=3 needs as many --gpus; 2 are given"):
        machine_of(Namespace(gpus="0,1", cores=4, jobs=3))
    with pytest.raises(ConfigError, match="--jobs=3 exceeds the 2 cores"):
        machine_of(Namespace(gpus="", cores=2, jobs=3))
    with pytest.raises(ConfigError, match="--cores=0 must be at least 1"):
        machine_of(Namespace(gpus="", cores=0, jobs=None))
