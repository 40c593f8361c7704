"""Makes a manifest of paths: run folders get labels from the settings that differ."""

import json
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.finished_runs import Run, find_runs
from calrec_recbole.report.inputs.manifest import MANIFEST_FILE, Entry, Manifest, from_here, read_manifest

__all__ = ["labels", "manifest_of"]

NOT_TELLING = {  # settings that tell no two rows apart: where, which data, how much is shown
    *("seed", "dataset", "model", "data_path", "output_dir", "text_cache", "checkpoint_dir", "gpu_id", "use_gpu"),
    *("state", "show_progress", "worker", "pre_model_path", "load_col", "item_attributes", "text_attributes"),
    *("split", "global_time_shares"),  # these part the data sets
}
SCORES_FILE, TUNING = "scores_file", "tuning"
MOST_NAMED = 3  # settings in a label
EFFORT = {  # how long and how a run was trained: named where nothing else tells it apart
    *("epochs", "pretrain_epochs", "stage2_epochs", "train_steps", "warmup_steps", "train_batch_size", "learning_rate"),
    *("enable_amp", "precision", "eval_interval", "eval_step", "stopping_step", "valid_users", "eval_batch_size"),
}


def manifest_of(paths: Sequence[Path]) -> tuple[Manifest, Path | None]:
    """What stands in a results folder, and that folder; or a manifest of the runs below ``paths``, and None.

    Paths may hold ``*``. Raises ``DataError`` for a path that is not there.
    """
    found = [Path(name) for path in paths for name in (sorted(glob(str(path))) or [str(path)])]
    for path in found:
        if not path.is_dir():
            raise DataError(f"--runs={path} is no folder")
    if len(found) == 1 and (found[0] / MANIFEST_FILE).is_file():
        return read_manifest(found[0]), found[0]
    runs, damaged = find_runs(found)
    entries = [
        Entry(label, run.model, run.data, str(run.folder)) for run, label in zip(runs, labels(runs), strict=True)
    ]
    data = {run.data: from_here(Path(run.config.get("data_path") or ".") / run.dataset) for run in runs}
    notes = [f"Left out: {line}" for line in damaged]
    return Manifest("-".join(data), ", ".join(data), notes=notes, data=data, entries=entries), None


def labels(runs: Sequence[Run]) -> list[str]:
    """The model's name; where a model ran with different settings, also as many of those as tell its runs apart.

    Runs that differ in their seed alone share a label: they are one row.
    """
    found = []
    for run in runs:
        alike = [other for other in runs if other.model == run.model]
        configs = [_config(other, alike) for other in alike]
        own = configs[alike.index(run)]
        told = [_told(key, own.get(key)) for key in _telling(configs) if key != TUNING or own[TUNING]]
        found.append(f"{run.model} ({', '.join(told)})" if told else run.model)
    return found


def _config(run: Run, alike: Sequence[Run]) -> Mapping[str, Any]:
    """Its settings, whether they were tuned, a file of scores by its name alone, and by its content where another one
    of that name is ``alike``.

    No label tells where a file lies.
    """
    config = {**run.config, TUNING: bool(run.config.get(TUNING))}
    if not config.get(SCORES_FILE):
        return config
    name = Path(str(config[SCORES_FILE])).name
    files = {_content(other) for other in alike if Path(str(other.config.get(SCORES_FILE, ""))).name == name}
    return {**config, SCORES_FILE: name if len(files) == 1 else f"{name} {_content(run)[:6]}"}


def _content(run: Run) -> str:
    return str(run.environment.get("data_sha256", {}).get("scores", ""))


def _differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Settings that do not have one value everywhere; one that only some versions of the code knew does not count."""
    keys = sorted(set.intersection(*(set(config) for config in configs)) - NOT_TELLING)
    return [key for key in keys if len({_short(config[key]) for config in configs}) > 1]


def _telling(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """As few of the settings that differ as tell all ``configs`` apart, ``MOST_NAMED`` at most, ``EFFORT`` last.

    First of all that one was tuned: its settings are many.
    """
    differing = sorted(_differing(configs), key=lambda key: (key != TUNING, key in EFFORT))
    wanted = len({tuple(_short(config[key]) for key in differing) for config in configs})
    for number in range(min(MOST_NAMED, len(differing)) + 1):
        told = differing[:number]
        if len({tuple(_short(config[key]) for key in told) for config in configs}) == wanted:
            break
    return told


def _told(key: str, value: Any) -> str:
    return "tuned" if key == TUNING else f"{key}={_short(value)}"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
