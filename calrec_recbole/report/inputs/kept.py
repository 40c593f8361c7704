"""What a results folder keeps of its runs, so that its page can be made again where the run folders are gone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from calrec_recbole.durable_files import write_json
from calrec_recbole.errors import DataError
from calrec_recbole.report.csv_frames import read_frame
from calrec_recbole.report.inputs.finished_runs import CONFIG_SHAPE, ENVIRONMENT_SHAPE, FINISHED, METRICS_SHAPE, Run
from calrec_recbole.report.inputs.manifest import AGAIN, Manifest
from calrec_recbole.report.rows import METRICS
from calrec_recbole.runs.curves import Curve
from calrec_recbole.stored_files import NUMBER, read_json, reading

__all__ = ["KEPT_FILE", "PLACES", "Kept", "KeptDataset", "KeptRun", "read_kept", "runs_are_gone", "write_kept"]

KEPT_FILE = "kept.json"
PLACES = (  # of one machine, no settings
    *("data_path", "output_dir", "checkpoint_dir", "text_cache", "config_file", "scores_file"),
)
OVER_ALL = "all, units are "  # before the unit, in the dataset column of tests.csv

TESTS = ("dataset", "model", "metric")  # columns of texts
SLICES = ("dataset", "label", "by", "slice")
BOUNDS = tuple(key for metric in METRICS for key in (metric.opt, metric.pes))  # older tables have no others
COMPARED = ("difference_low", "difference_high", "t_p_holm", "permutation_p_holm", "cohens_d")

_NUMBER_TEXT = {"text": str, "mark": str, "spread": str}
_ROW = {
    "label": str,
    "kind": str,
    "error": str,
    "mark?": str,
    "cells": [{"opt": _NUMBER_TEXT, "pes": _NUMBER_TEXT, "exp?": _NUMBER_TEXT}],
}
SHAPE = {
    "runs": {
        ...: {
            **{"config": CONFIG_SHAPE, "environment": ENVIRONMENT_SHAPE, "metrics": METRICS_SHAPE},
            **{"curve": {"minutes": [NUMBER], "steps": [int], "values": [NUMBER]}, "log?": [str]},
            **{"losses?": {...: NUMBER}},
        }
    },
    "datasets": {
        ...: {"users_note?": str, "notes?": [str], "masked?": [_ROW], "masked_note?": str, "equivalent?": [_ROW]}
    },
    "data": [{"name": str, "values": {...: str}, "paper?": bool, "missing?": str}],
}


@dataclass(frozen=True)
class KeptRun(Run):
    """A run without its folder: ``metrics`` are over the users that its table shares, ``learnt`` is its curve, ``log``
    the end of its log, ``last_losses`` its ``losses``.
    """

    learnt: Curve = field(default_factory=Curve)
    log: Sequence[str] = ()
    last_losses: Mapping[str, float] = field(default_factory=dict)

    @property
    def log_end(self) -> list[str]:
        return list(self.log)

    @property
    def losses(self) -> Mapping[str, float]:
        return self.last_losses

    @property
    def curve(self) -> Curve:
        return self.learnt


@dataclass(frozen=True)
class KeptDataset:
    """What a section says beside its numbers. ``users_note``: on which users; ``masked``: the rows of the table
    without the last item, as JSON, and the note below it; ``equivalent``: those of the table of equivalent items.
    """

    users_note: str = ""
    notes: Sequence[str] = ()
    masked: Sequence[Mapping[str, Any]] = ()
    masked_note: str = ""
    equivalent: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Kept:
    """``runs`` by their folder in the manifest; ``data``: the columns of the data sets' table, as JSON; ``tests`` and
    ``slices`` as in tests.csv and slices.csv.
    """

    runs: Mapping[str, Run]
    datasets: Mapping[str, KeptDataset]
    data: Sequence[Mapping[str, Any]]
    tests: pd.DataFrame
    slices: pd.DataFrame

    def tests_of(self, dataset: str) -> pd.DataFrame:
        """The tests as ``evaluation.compare`` gave them."""
        return _on(self.tests, dataset)

    def slices_of(self, dataset: str) -> pd.DataFrame:
        """The slices as ``report.slice_metrics`` gave them."""
        return _on(self.slices, dataset)

    @property
    def overall(self) -> dict[str, pd.DataFrame]:
        """Unit -> tests over all data sets."""
        names = [] if self.tests.empty else [str(name) for name in self.tests["dataset"].unique()]
        return {name.removeprefix(OVER_ALL): self.tests_of(name) for name in names if name.startswith(OVER_ALL)}


def runs_are_gone(manifest: Manifest) -> bool:
    """Whether the folder of a run that had finished is not here."""
    return any(
        entry.folder and not entry.error and not (Path(entry.folder) / FINISHED).is_file() for entry in manifest.entries
    )


def write_kept(
    folder: Path, runs: Sequence[Run], datasets: Mapping[str, KeptDataset], data: Sequence[Mapping[str, Any]]
) -> None:
    """``kept.json`` in the results ``folder``."""
    told = {
        str(run.folder): {
            "config": {key: value for key, value in run.config.items() if key not in PLACES},
            "environment": run.environment,
            "metrics": {**run.metrics, "test": run.test, **({"ties": run.ties} if run.ties else {})},
            "curve": asdict(run.curve),
            **({"losses": dict(run.losses)} if run.losses else {}),
            "log": [line.replace(f"{Path.cwd()}/", "") for line in run.log_end],
        }
        for run in runs
    }
    sections = {name: asdict(one) for name, one in datasets.items()}
    write_json(folder / KEPT_FILE, {"runs": told, "datasets": sections, "data": list(data)})


def read_kept(folder: Path) -> Kept:
    """Reads what a results folder keeps. Raises ``DataError`` where it keeps nothing, or what is not ours."""
    file = folder / KEPT_FILE
    if not file.is_file():
        raise DataError(f"{folder} has no {KEPT_FILE} and its run folders are gone; run calrec compare again")
    found = read_json(file, AGAIN, SHAPE)
    with reading(f"{file} cannot be read", AGAIN):  # a key that is none of ours
        runs = {name: _run(name, one) for name, one in found["runs"].items()}
        datasets = {name: KeptDataset(**one) for name, one in found["datasets"].items()}
    tests = _frame(folder / "tests.csv", TESTS, ("mean", "low", "high"))
    _check_tests(tests, folder / "tests.csv")
    return Kept(runs, datasets, found["data"], tests, _frame(folder / "slices.csv", SLICES, ("users", *BOUNDS)))


def _run(name: str, one: Mapping[str, Any]) -> Run:
    curve = Curve(**one["curve"])
    if len({len(curve.minutes), len(curve.steps), len(curve.values)}) > 1:
        raise ValueError(f"the curve of {name} is cut")
    told = {"learnt": curve, "log": one.get("log", []), "last_losses": one.get("losses", {})}
    return KeptRun(Path(name), one["config"], one["environment"], one["metrics"], **told)


def _frame(file: Path, texts: Collection[str], numbers: Collection[str]) -> pd.DataFrame:
    return read_frame(file, texts, numbers, AGAIN) if file.is_file() else pd.DataFrame()


def _check_tests(tests: pd.DataFrame, file: Path) -> None:
    """Raises ``DataError`` unless the tests have every metric of every model, each once."""
    if tests.empty:
        return
    lacking = [name for name in COMPARED if name not in tests] if "difference" in tests else []
    if lacking:
        raise DataError(f"{file} lacks the column(s) {', '.join(lacking)}: {AGAIN}")
    for (dataset, model), own in tests.groupby(["dataset", "model"]):
        if not own["metric"].is_unique or not set(BOUNDS) <= set(own["metric"]):
            raise DataError(f"{file} has not each metric of {model} on {dataset} once: {AGAIN}")


def _on(frame: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The rows on ``dataset``, without that column and what is only known of others."""
    if frame.empty:
        return frame
    own = frame[frame["dataset"] == dataset].drop(columns="dataset")
    return own.dropna(axis=1, how="all").reset_index(drop=True)
