"""How many runs go at once, and with which cores."""

from argparse import Namespace

from calrec_recbole.cli.compare_arguments import machine_of


def given(*settings, **options):
    names = ("dataset", "models", "experiment", "seeds", "config_files", "reference", "jobs", "cores", "gpus")
    return Namespace(**dict.fromkeys(names) | {"launcher": "local"} | options, settings=list(settings))


def test_cores_are_shared_and_gpus_set_the_jobs():
    machine = machine_of(given(cores=8, gpus="0,1,3"))
    assert (machine.jobs, machine.threads, machine.gpus) == (3, 2, ["0", "1", "3"])
