"""One folder a run: its name, who may write into it, and whether it is finished."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.split import DEFAULTS

__all__ = ["CHECKPOINT", "METRICS_FILE", "TENSORBOARD", "WANDB", "claim", "run_id"]

METRICS_FILE = "metrics.json"  # written last: its presence marks a finished run
CHECKPOINT = "checkpoint"
LOG = "log.txt"
TENSORBOARD = "tensorboard"
WANDB = "wandb"  # wandb's own name for its folder

NO_EFFECT = {  # settings that do not change a run's numbers
    *("output_dir", "data_path", "checkpoint_dir", "config_file", "text_cache"),
    *("gpu_id", "use_gpu", "worker"),
    *("state", "show_progress", "loss_decimal_place", "metric_decimal_place"),
    *("speculate", "cuda_graphs"),  # the passes in which samples are drawn
    *("log_tensorboard", "log_wandb", "wandb_project", "report_interval", "checkpoint_minutes", "milvus_uri"),
}

# settings younger than some finished runs, at the values that leave the numbers of those runs as they are
NEUTRAL = {
    **DEFAULTS,
    **{"decoding": "sample", "beams": 32, "test_users": 0, "decode_precision": "auto"},
    **{"rerank_from": "", "rerank_candidates": 100, "rerank_by": "logprob", "rerank_weight": "auto"},
    **{"rerank_engine": "lucene", "rerank_unseen": 0, "rerank_unseen_loss": 0.02, "milvus_candidates": 200},
    **{"generation_engine": "native"},
}


def run_id(settings: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """``<seed>-<8 hex digits>``: the digits depend on all settings that have an effect, and on the data."""
    effective = {
        key: value
        for key, value in settings.items()
        if key not in NO_EFFECT and not (key in NEUTRAL and value == NEUTRAL[key])
    }
    text = json.dumps([effective, dict(hashes)], sort_keys=True, default=str)
    return f"{settings['seed']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@contextmanager
def claim(parent: Path, name: str, resumes: bool = False) -> Iterator[Path]:
    """Yields ``parent/name`` for this process alone; where that run is finished, ``name-2``, ``name-3``, ...

    An unfinished folder is emptied; with ``resumes`` its checkpoint folder, its log and its curves stay. Raises
    ``ConfigError`` while another process works in the folder.
    """
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, folder)
            if (folder / METRICS_FILE).exists():
                continue
            _empty(folder, keep=(CHECKPOINT, LOG, TENSORBOARD, WANDB) if resumes else ())
            yield folder
            return
        finally:
            os.close(descriptor)  # unlocks


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
