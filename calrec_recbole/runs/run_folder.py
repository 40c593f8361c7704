"""One folder a run: its name, who may write into it, and whether it is finished, or only as far as a limit allowed."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrec_recbole.errors import CalrecError, ConfigError, DataError, OwnModelError
from calrec_recbole.runs.curves import CURVES_FILE
from calrec_recbole.setting_groups import effective
from calrec_recbole.stored_files import read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "CHECKPOINT",
    "LEFT",
    "METRICS_FILE",
    "PARTS",
    "SAMPLES_FILE",
    "TENSORBOARD",
    "TRAINED_ON",
    "WANDB",
    "alone_in",
    "claim",
    "is_claimed",
    "model_label",
    "run_id",
    "users_left",
]

METRICS_FILE = "metrics.json"  # written last: its presence marks a finished run
LEFT = "left"  # in it, where a limit of time left test users out: how many; such a run is extended, not done anew
CHECKPOINT = "checkpoint"
TRAINED_ON = "trained_on.json"  # of CALRec's runs: the data sets behind its weights and what was held out of them
CONFIG = "config.yaml"
LOG = "log.txt"
TENSORBOARD = "tensorboard"
WANDB = "wandb"  # wandb's own name for its folder
SAMPLES_FILE = "samples.parquet"
PARTS = "samples"  # folder of its part files, while the run lasts

KEPT = (CHECKPOINT, LOG, CURVES_FILE, TENSORBOARD, WANDB, TRAINED_ON, PARTS, SAMPLES_FILE)  # what a run goes on from


def run_id(settings: Mapping[str, Any], hashes: Mapping[str, str], groups: "Iterable[type[DataclassInstance]]") -> str:
    """``<seed>-<8 hex digits>``: the digits depend on the data and on all settings that have an effect, as the fields
    of ``groups`` say.
    """
    text = json.dumps([effective(settings, groups), dict(hashes)], sort_keys=True, default=str)
    return f"{settings['seed']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def model_label(model: str) -> str:
    """What folders and tables call it: the name, or the class of ``package.module:Class``."""
    return model.rpartition(":")[2]


@contextmanager
def claim(parent: Path, name: str, resumes: bool = False) -> Iterator[Path]:
    """Yields ``parent/name`` for this process alone; where that run is finished, ``name-2``, ``name-3``, ...

    Where the block ends in a ``CalrecError`` before it kept anything, the folder goes again: a setting was refused (an
    ``OwnModelError`` leaves it: the traceback is in the log). An
    unfinished folder is emptied; with ``resumes`` stays what a run goes on from. One that a limit of time ended is
    yielded as it is, its results until others replace them. Raises ``ConfigError`` while another process works in it.
    """
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            left = users_left(folder)
            if left == 0:
                continue
            if left is None:
                _empty(folder, keep=KEPT if resumes else ())
            for temporary in folder.glob(".*.tmp"):  # of a kill
                temporary.unlink()
            try:
                yield folder
            except OwnModelError:
                raise
            except CalrecError:
                _drop_unbegun(folder)
                raise
            return


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within the block no other process works in ``folder``; ``ConfigError`` where one does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # unlocks


def is_claimed(folder: Path | None) -> bool:
    """Whether another process works in ``folder``."""
    if folder is None or not folder.is_dir():
        return False
    try:
        with alone_in(folder):
            return False
    except ConfigError:
        return True


def users_left(folder: Path) -> int | None:
    """Test users that a limit of time left out of the run in ``folder``, 0 where it is whole; None: unfinished."""
    file = folder / METRICS_FILE
    if not file.exists():
        return None
    try:
        return int(read_json(file, "", {f"{LEFT}?": int, ...: object}).get(LEFT, 0))
    except DataError:  # whoever reads it says so
        return 0


def _drop_unbegun(folder: Path) -> None:
    """Removes ``folder`` where nothing was done in it: its settings were refused."""
    kept = [entry for entry in folder.iterdir() if entry.name not in {CONFIG, LOG, TENSORBOARD, WANDB}]
    if all(entry.is_dir() and not any(entry.iterdir()) for entry in kept):
        shutil.rmtree(folder)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"another process works in {folder}: wait for it, or change seed or output_dir") from None


def _empty(folder: Path, keep: tuple[str, ...]) -> None:
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
