"""The arguments of `calrec compare` as an experiment and a machine; all checks before any work."""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from calrec_recbole.comparison.experiment import Experiment, Row, read_experiment
from calrec_recbole.comparison.scheduler import Machine
from calrec_recbole.comparison.slurm import Slurm
from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.setting_files import parse_arguments

__all__ = ["experiment_of", "machine_of"]

SLURM = "--slurm."
GPU = re.compile(r"\d+|(?:GPU|MIG)-\S+")  # as CUDA_VISIBLE_DEVICES has them


def experiment_of(arguments: argparse.Namespace) -> Experiment:
    """What is asked for: the YAML's comparison, or one made of --dataset and --models, with the settings above it."""
    everywhere, of_rows = _settings(arguments)
    if arguments.experiment:
        base = read_experiment(arguments.experiment)
        if arguments.models:
            raise ConfigError("--models and --experiment exclude each other: an experiment names its rows")
    else:
        lacking = [name for name in ("dataset", "models") if not getattr(arguments, name)]
        if lacking:
            told = " and ".join(f"--{name}=..." for name in lacking)
            raise ConfigError(f"{told} missing, or --experiment=NAME; see calrec compare --help")
        datasets = _words(arguments.dataset)
        base = Experiment("-".join(datasets), datasets=datasets, models=_words(arguments.models))
    changes: dict[str, Any] = {"models": (), "settings": {**base.settings, **everywhere}}
    changes["rows"] = _with_own(base.rows, of_rows)
    if arguments.dataset:
        changes["datasets"] = _words(arguments.dataset)
    if arguments.seeds:
        changes["seeds"] = [_whole("--seeds", seed) for seed in _words(arguments.seeds)]
    if arguments.config_files:
        changes["config_files"] = [*base.config_files, *_words(arguments.config_files)]
    if arguments.reference:
        changes["reference"] = arguments.reference
    wanted = replace(base, **changes)
    if not wanted.rows and not wanted.paper:  # of Table 1 the data sets are the rows
        raise ConfigError(f"{wanted.name} has no rows: give it models: [LIR, SASRec], or rows")
    if not wanted.datasets:
        raise ConfigError(f"{wanted.name} names no data set: give --dataset=NAME")
    return wanted


def machine_of(arguments: argparse.Namespace) -> Machine:
    """--jobs, --cores and --gpus, or what this process may use; or the cluster of --launcher=slurm."""
    of_slurm = [one for one in arguments.settings if one.startswith(SLURM)]
    if arguments.launcher == "slurm":
        return _cluster(arguments, of_slurm)
    if of_slurm:
        raise ConfigError(f"{of_slurm[0]} is for --launcher=slurm: add that")
    gpus = _words(arguments.gpus or "")
    for gpu in gpus:
        if not GPU.fullmatch(gpu):
            raise ConfigError(f"--gpus={arguments.gpus}: {gpu} is no GPU: give numbers, such as --gpus=0,1")
    cores = len(os.sched_getaffinity(0)) if arguments.cores is None else arguments.cores
    jobs = (len(gpus) or 1) if arguments.jobs is None else arguments.jobs
    for name, value in (("jobs", jobs), ("cores", cores)):
        if value < 1:
            raise ConfigError(f"--{name}={value} must be at least 1")
    if gpus and jobs > len(gpus):
        raise ConfigError(f"--jobs={jobs} needs as many --gpus; {len(gpus)} are given")
    if jobs > cores:
        raise ConfigError(f"--jobs={jobs} exceeds the {cores} cores; lower it, or raise --cores")
    return Machine(jobs, cores, gpus)


def _cluster(arguments: argparse.Namespace, of_slurm: list[str]) -> Machine:
    for name, instead in (("cores", "cpus_per_task"), ("gpus", "gpus_per_node")):
        if (value := getattr(arguments, name)) is not None:
            raise ConfigError(f"--{name}={value} is for --launcher=local: with slurm use --slurm.{instead}=N")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError(f"--jobs={arguments.jobs} must be at least 1")
    for one in of_slurm:
        if one.startswith(f"{SLURM}time=") and ":" in one:  # YAML reads 2:00:00 as 7200
            raise ConfigError(f"{one} must be in minutes, such as {SLURM}time=240")
    given = {key.removeprefix("slurm."): value for key, value in parse_arguments(of_slurm).items()}
    return Machine(arguments.jobs or sys.maxsize, slurm=Slurm(given))


def _settings(arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """``--key=value`` of all models, and ``--MODEL.key=value`` by model or label."""
    everywhere: dict[str, Any] = {}
    of_rows: dict[str, dict[str, Any]] = {}
    for key, value in parse_arguments([one for one in arguments.settings if not one.startswith(SLURM)]).items():
        row, dot, own = key.rpartition(".")
        if dot:
            of_rows.setdefault(row, {})[own] = value
        else:
            everywhere[key] = value
    return everywhere, of_rows


def _with_own(rows: Any, of_rows: Mapping[str, dict[str, Any]]) -> list[Row]:
    known = {name for row in rows for name in (row.label, row.model)}
    for name, settings in of_rows.items():
        if name not in known:
            raise ConfigError(f"--{name}.{next(iter(settings))}: no row is called {name!r}{did_you_mean(name, known)}")
    changed = []
    for row in rows:
        own: dict[str, Any] = {}
        for name in dict.fromkeys((row.model, row.label)):
            own |= of_rows.get(name, {})
        files = own.pop("config_files", None)
        more = files if isinstance(files, list) else _words(str(files or ""))
        changed.append(
            replace(row, settings={**row.settings, **own}, config_files=[*row.config_files, *more])
            if own or more
            else row
        )
    return changed


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text.strip()) if word]


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ConfigError(f"{name}={text!r} must be whole numbers, separated by commas")
    return int(text)
