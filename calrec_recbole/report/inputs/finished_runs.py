"""One finished run, read from its folder."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation.per_user import equivalent_items, metric_vectors, read_ranks, without_last_item
from calrec_recbole.evaluation.summary import tie_summary
from calrec_recbole.runs.curves import CURVES_FILE, Curve, read_curve, read_points
from calrec_recbole.runs.run_folder import model_label
from calrec_recbole.setting_files import read_settings
from calrec_recbole.stored_files import NUMBER, misfit, read_json

__all__ = ["CONFIG_SHAPE", "ENVIRONMENT_SHAPE", "METRICS_SHAPE", "VIEWS", "Run", "data_name", "find_runs", "read_run"]

FINISHED = "metrics.json"
RANKS, LOG = "ranks.parquet", "log.txt"
LAST_LINES, LONGEST_LINE = 5, 1000
LOSSES = ("total", "nig", "tt", "ut", "chance")  # of curves.csv, behind "train/"
BUDGET = "ends by its budget"  # in the log of a training of several stages
LEAVE_ONE_OUT = "leave_one_out"
SHARES = (0.8, 0.1, 0.1)  # of configs/overall.yaml
AGAIN = "run it again, or leave it out"
VIEWS = {"masked": without_last_item, "equivalent": equivalent_items}  # other ranks of the same users

CONFIG_SHAPE: dict[Any, Any] = {  # of what a report reads of them; see ``misfit``
    **{"model": str, "dataset": str, "seed": int, "split?": str, "global_time_shares?": [NUMBER]},
    **{
        "valid_metric?": str,
        "data_path?": (str, type(None)),
        "train_steps?": NUMBER,
        "tuning?": (dict, type(None)),
        ...: object,
    },
}
METRICS_SHAPE: dict[str, Any] = {
    "test": {...: NUMBER},
    "valid?": {...: NUMBER},
    "left?": int,
    "ties?": {...: NUMBER},
    "lists?": {...: NUMBER},
    "given_lists?": {"targets": int, "shortest": int, "unlisted": int, "cut_ties": int},
}
ENVIRONMENT_SHAPE = {
    **{"command?": str, "versions?": {...: str}, "data_sha256?": {...: str}, "users?": {...: int}},
    **{"seconds?": {...: {...: NUMBER}}, "peak_memory_mib?": {...: NUMBER}, "samples?": {...: NUMBER}},
    **{"seconds_before_resume?": NUMBER, "sampling_seconds_before_resume?": NUMBER, "devices?": {...: object}},
    **{"parameters?": (int, type(None)), "commit?": str},
}


@dataclass(frozen=True)
class Run:
    """``config``, ``environment`` and ``metrics`` as in the run's files; of ``users`` alone where they are given."""

    folder: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    users: pd.Index | None = field(default=None, compare=False)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """See ``read_ranks``."""
        ranks = read_ranks(self.folder)
        return ranks if self.users is None else ranks.loc[self.users]

    @property
    def has_ranks(self) -> bool:
        return bool(self.test) and (self.folder / RANKS).is_file()

    def on(self, users: pd.Index) -> "Run":
        """The run as if only ``users``, some of its own, had been tested; itself where these are all."""
        if len(users) == len(self.ranks):
            return self
        means = metric_vectors(self.ranks.loc[users], list(self.test)).mean()
        test = {str(name): float(value) for name, value in means.items()}
        kept = {key: value for key, value in self.metrics.items() if key != "lists"}  # which are over all of its users
        return replace(self, metrics={**kept, "test": test}, users=users)

    @property
    def model(self) -> str:
        """Its name; of given scores that of the system that made them."""
        return str(self.config.get("system") or model_label(str(self.config["model"])))

    @property
    def dataset(self) -> str:
        return str(self.config["dataset"])

    @property
    def data(self) -> str:
        return data_name(self.dataset, self.config)

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @cached_property
    def test(self) -> Mapping[str, float]:
        """Those of metrics.json; what a run of before the expected metrics lacks of them comes from its ranks."""
        found = self.metrics["test"]
        names = [name.replace("_opt", "_exp") for name in found if "_opt" in name]
        lacking = [name for name in names if name not in found]
        if not lacking or not (self.folder / RANKS).is_file():
            return found
        means = metric_vectors(self.ranks, lacking).mean()
        return {**found, **{str(name): float(value) for name, value in means.items()}}

    @cached_property
    def ties(self) -> Mapping[str, float]:
        """See ``tie_summary``; empty where neither metrics.json nor ranks have it."""
        if not (self.folder / RANKS).is_file():
            return self.metrics.get("ties", {})
        pair = (torch.from_numpy(self.ranks[case].to_numpy()) for case in ("optimistic", "pessimistic"))
        return tie_summary(*pair)

    @cached_property
    def views(self) -> Mapping[str, pd.DataFrame]:
        """``masked`` and ``equivalent`` -> users x metrics of that view of the ranks, of the users that have it.

        A view that the run did not keep, or that no user has, is not there.
        """
        found = {}
        for name, view in VIEWS.items() if self.has_ranks else ():
            try:
                found[name] = metric_vectors(view(self.ranks))
            except DataError:  # of before these ranks were kept
                continue
        return {name: table for name, table in found.items() if len(table)}

    @property
    def tested(self) -> int:
        """Users that ``test`` is over; 0 = unknown."""
        return int(self.environment.get("users", {}).get("test", 0)) if self.users is None else len(self.users)

    @property
    def test_in_all(self) -> int:
        """Users of the test part, also those that ``test_users`` or ``evaluate_minutes`` left out; 0 = unknown."""
        return int(self.environment.get("users", {}).get("test_in_all", 0))

    @property
    def data_hash(self) -> str:
        """The hash of the data set's events; empty where it is unknown."""
        return str(self.environment.get("data_sha256", {}).get("inter", ""))

    @property
    def train_seconds(self) -> float:
        """Wall clock, with what interrupted runs had spent before."""
        return self._seconds("train") + float(self.environment.get("seconds_before_resume", 0.0))

    @property
    def test_milliseconds(self) -> float:
        """Wall clock a test user, in ms: of the whole evaluation, which for most models is that of the test alone."""
        users = self.environment.get("users", {}).get("test", 0)
        seconds = self._seconds("evaluate") + float(self.environment.get("sampling_seconds_before_resume", 0.0))
        return 1000 * seconds / users if users else float("nan")

    @property
    def memory(self) -> float:
        """Peak MiB of the process, and of the GPU where it was more."""
        return max((float(size) for size in self.environment.get("peak_memory_mib", {}).values()), default=float("nan"))

    @cached_property
    def curve(self) -> Curve:
        """The validation scores; empty in runs older than curves.csv."""
        return read_curve(self.folder / CURVES_FILE, f"valid/{self.config.get('valid_metric')}")

    @cached_property
    def losses(self) -> Mapping[str, float]:
        """The last value of each of CALRec's losses, in nats: ``total`` of Eq. 4, ``nig``, ``tt``, ``ut``, and ln B as
        ``chance``, which the contrastive ones have by chance; those that curves.csv holds, finite ones alone.
        """
        file = self.folder / CURVES_FILE
        points = read_points(file) if file.is_file() else ()
        last = {point.metric: point.value for point in points if math.isfinite(point.value)}
        return {name: last[f"train/{name}"] for name in LOSSES if f"train/{name}" in last}

    @property
    def log_end(self) -> list[str]:
        """The last lines of log.txt; none where it is gone or cannot be read."""
        try:
            lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [line[:LONGEST_LINE] for line in lines[-LAST_LINES:]]

    @property
    def stopped(self) -> bool:
        """Whether its training came to the last step or epoch allowed before its patience ended: longer, it may be
        better. False too where neither curve nor log tells.
        """
        steps, values = list(self.curve.steps), list(self.curve.values)
        if any(BUDGET in line for line in self.log_end):
            return True
        by_steps = self.step_name == "step"
        if not steps or steps[-1] != self.config.get("train_steps" if by_steps else "epochs"):
            return False
        since = values[::-1].index(max(values))  # validations since the best one; of equals RecBole takes the last
        patience = int(self.config.get("stopping_step") or 0)
        return since < patience or not patience if by_steps else since <= patience  # RecBole's loop takes one more

    @property
    def commit(self) -> str:
        """Of the code that ran; empty where it was not recorded."""
        return str(self.environment.get("commit", ""))

    @property
    def step_name(self) -> str:
        """What the steps of ``curve`` are."""
        return "step" if "train_steps" in self.config else "epoch"

    def _seconds(self, phase: str) -> float:
        return float(self.environment.get("seconds", {}).get(phase, {}).get("wall", 0.0))


def data_name(dataset: str, settings: Mapping[str, Any]) -> str:
    """The data set's name, and its split where that is not leave-one-out: other users are tested.

    >>> data_name("CDs", {"split": "global_time"})
    'CDs-global_time-80-10-10'
    """
    split, shares = settings.get("split", LEAVE_ONE_OUT), settings.get("global_time_shares", SHARES)
    return dataset if split == LEAVE_ONE_OUT else "-".join([dataset, split, *(f"{100 * share:g}" for share in shares)])


def read_run(folder: Path) -> Run:
    """Raises ``DataError`` for a folder of no run and of an unfinished one."""
    if not (folder / FINISHED).is_file():
        raise DataError(f"{folder} holds no {FINISHED}: the run has not finished, or it is no run folder")
    config = _config_of(folder / "config.yaml")
    metrics = read_json(folder / FINISHED, AGAIN, METRICS_SHAPE)
    file = folder / "environment.json"
    return Run(folder, config, read_json(file, AGAIN, ENVIRONMENT_SHAPE) if file.is_file() else {}, metrics)


def _config_of(file: Path) -> dict[str, Any]:
    try:
        config = read_settings(file)
    except ConfigError as problem:
        raise DataError(f"{problem}; {AGAIN}") from problem
    if fault := misfit(config, CONFIG_SHAPE):
        raise DataError(f"{file} is of no run ({fault}); {AGAIN}")
    return config


def find_runs(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """All finished runs in and below ``paths``, in the order of their paths, and a line on each that is damaged.

    Raises ``DataError`` where no run can be read.
    """
    given = list(paths)
    folders: dict[Path, None] = {}
    for path in given:
        for file in sorted(path.rglob(FINISHED)):
            folders[file.parent] = None
    if not folders:
        raise DataError(f"--runs={','.join(map(str, given))}: no finished run is there (a folder with {FINISHED})")
    runs, damaged = [], []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except DataError as problem:
            damaged.append(str(problem))
    if not runs:
        raise DataError(f"--runs={','.join(map(str, given))}: no run can be read: {' | '.join(damaged)}")
    return runs, damaged
