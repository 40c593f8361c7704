"""How many runs go at once, and with which cores."""

from argparse import Namespace

import pytest

from calrec_recbole.cli.compare_arguments import machine_of
from calrec_recbole.errors import ConfigError


def given(*settings, **options):
    names = ("dataset", "models", "experiment", "seeds", "config_files", "reference", "jobs", "cores", "gpus")
    return Namespace(**dict.fromkeys(names) | options, settings=list(settings))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"jobs": 0}, "--jobs=0 must be at least 1"),
        ({"jobs": 3, "cores": 2}, "exceeds the 2 cores"),
        ({"jobs": 2, "cores": 8, "gpus": "0"}, "needs as many --gpus"),
    ],
)
def test_a_machine_that_cannot_be(options, reason):
    with pytest.raises(ConfigError, match=reason):
        machine_of(given(**options))


def test_cores_are_shared_and_gpus_set_the_jobs():
    machine = machine_of(given(cores=8, gpus="0,1,3"))
    assert (machine.jobs, machine.threads, machine.gpus) == (3, 2, ["0", "1", "3"])
