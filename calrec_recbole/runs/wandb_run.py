"""Weights & Biases by RecBole's settings ``log_wandb`` and ``wandb_project``; ``pip install wandb``."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.runs.run_folder import WANDB

__all__ = ["check_wandb", "wandb_run"]


def check_wandb(wanted: bool) -> None:
    """Raises ``ConfigError`` where ``log_wandb`` is ``wanted`` and wandb cannot be imported."""
    if wanted:
        _wandb()


@contextmanager
def wandb_run(wanted: bool, project: str, folder: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """A wandb run of its own for the run in ``folder``, with its files there; RecBole's and our trainers log to it.

    An interrupted run goes on under the same id. Unless it is ``wanted`` nothing happens.
    """
    if not wanted:
        yield
        return
    wandb = _wandb()
    name = "/".join(folder.parts[-3:])
    wandb.init(project=project, dir=folder, name=name, config=dict(settings), id=_left(folder), resume="allow")
    try:
        yield
    except BaseException:
        wandb.finish(exit_code=1)
        raise
    wandb.finish()


def _left(folder: Path) -> str | None:
    """The id of an interrupted run: wandb names its folders ``run-<time>-<id>`` and ``offline-run-<time>-<id>``."""
    names = sorted(entry.name for entry in (folder / WANDB).glob("*run-*-*"))
    return names[-1].rpartition("-")[2] if names else None


def _wandb() -> Any:
    try:
        return importlib.import_module("wandb")
    except ImportError as problem:
        raise ConfigError(
            f"log_wandb=true needs the package wandb ({problem}): pip install wandb, or set log_wandb: false"
        ) from problem
