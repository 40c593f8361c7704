"""Rows x data sets x seeds -> the runs of a comparison, each with what it must be started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calrec_recbole.comparison.experiment import Experiment, Row
from calrec_recbole.errors import ConfigError
from calrec_recbole.runs.run_folder import users_left
from calrec_recbole.setting_files import config_file, read_settings

__all__ = ["PlannedRun", "check_unknown", "plan", "request", "resolved", "shared_settings"]

NOT_HERE = ("model", "dataset", "seed")  # a comparison sets them itself


@dataclass(frozen=True)
class PlannedRun:
    """One run; ``sources``: setting -> the names of the runs whose folders it takes.

    ``folder`` and ``data``, that of its data set, are known once it is resolved; ``error`` is one line.
    """

    row: Row
    dataset: str
    seed: int | None
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folder: Path | None = None
    settings: Mapping[str, Any] | None = None
    error: str = ""
    data: Path | None = None

    @property
    def name(self) -> str:
        return _name(self.row.label, self.dataset, self.seed)

    @property
    def needs(self) -> list[str]:
        """The names of all ``sources``."""
        return [name for names in self.sources.values() for name in names]

    @property
    def finished(self) -> bool:
        """Whether there are results, if only of as many users as a limit of time allowed."""
        return self.folder is not None and users_left(self.folder) is not None

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return self.folder is not None and users_left(self.folder) == 0


def plan(experiment: Experiment) -> list[PlannedRun]:
    """Every run of the comparison, in the order of data sets, rows, seeds; none is resolved yet."""
    seeds: Sequence[int | None] = experiment.seeds or [None]
    rows = {row.label: row for row in experiment.rows}
    return [
        PlannedRun(row, dataset, seed, _sources(row, dataset, seed, rows))
        for dataset in experiment.datasets
        for row in experiment.rows
        if not row.datasets or dataset in row.datasets
        for seed in seeds
    ]


def _sources(row: Row, dataset: str, seed: int | None, rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """Names of runs of the same seed on the same data set; of a row that does not run there, on its own first one."""

    def place(label: str) -> str:
        own = rows[label].datasets
        return own[0] if own and dataset not in own else dataset

    return {key: [_name(label, place(label), seed) for label in labels] for key, labels in row.sources.items()}


def _name(label: str, dataset: str, seed: int | None) -> str:
    return f"{label} on {dataset}" + ("" if seed is None else f", seed {seed}")


def shared_settings(experiment: Experiment) -> dict[str, Any]:
    """Settings of all rows: those of the experiment's files, and its own above them."""
    merged: dict[str, Any] = {}
    for name in experiment.config_files:
        merged |= read_settings(config_file(name))
    merged |= experiment.settings
    for key in NOT_HERE:
        if key in merged:
            raise ConfigError(f"{key}={merged[key]!r} is no setting of all rows: use --{key}s, or a row of its own")
    return merged


def request(run: PlannedRun, shared: Mapping[str, Any], sources: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """What ``plugin.run_identity`` is asked about ``run``; ``sources``: setting -> folders of other runs."""
    own = dict(run.row.settings)
    if run.seed is not None:
        own["seed"] = run.seed
    for setting, folders in sources.items():
        own[setting] = str(folders[0]) if len(folders) == 1 else [str(folder) for folder in folders]
    files = list(run.row.config_files)
    return {"model": run.row.model, "dataset": run.dataset, "config_files": files, "settings": own, "shared": shared}


def resolved(run: PlannedRun, answer: Mapping[str, Any]) -> PlannedRun:
    """``run`` with its folder and settings, or with the error that the answer of ``plugin.run_identity`` holds."""
    if "error" in answer:
        return replace(run, error=answer["error"])
    folder, data = Path(answer["parent"]) / answer["run_id"], Path(answer["files"][0]).parent
    return replace(run, folder=folder, settings=answer["settings"], data=data)


def check_unknown(answers: Sequence[Mapping[str, Any]]) -> None:
    """Raises ``ConfigError`` for a setting of all rows that no model knows."""
    unknown: list[Mapping[str, str]] = [answer["unknown"] for answer in answers]
    nowhere = [key for key in (unknown or [{}])[0] if all(key in hints for hints in unknown)]
    found = [f"setting {key!r} is known to none of the models{_hint(key, unknown)}" for key in nowhere]
    if found:
        raise ConfigError(" | ".join(found))


def _hint(key: str, unknown: Sequence[Mapping[str, str]]) -> str:
    return next((hints[key] for hints in unknown if hints[key]), "")
