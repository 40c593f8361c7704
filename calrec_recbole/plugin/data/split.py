"""Which event is learnt from, validated and tested: leave-one-out (paper 4), or one point in time for all users."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.errors import ConfigError, did_you_mean
from calrec_recbole.plugin.setting_files import read_settings
from calrec_recbole.setting_groups import younger

__all__ = [
    "DEFAULTS",
    "GLOBAL_TIME",
    "PARTS",
    "SPLITS",
    "SplitSettings",
    "check_same_split",
    "check_split",
    "event_parts",
    "filled_share",
    "named_runs",
    "warn_of_filled_times",
]

logger = logging.getLogger(__name__)

SPLITS = ("leave_one_out", "global_time")
GLOBAL_TIME = SPLITS[1]
DEFAULTS = {"split": SPLITS[0], "global_time_shares": [0.8, 0.1, 0.1]}
OTHER_DATA = ("joint", "pretrain")  # stages that read whole data sets; S3Rec's reads the run's own training part
SOURCES = ("pre_model_path", "rerank_from")  # settings that name runs
PARTS = ("training", "validation", "test")
UNUSED = "unused"  # read as history where it is older than a target, and never a target itself
TESTED = 3  # leave-one-out tests users with at least as many events, and validates those with one more
DAY = 86_400  # seconds
MOST_FILLED = 0.25  # of the gaps; real copies have 1 to 5 % of exactly one day, filled ones 60 % and more


@dataclass(frozen=True)
class SplitSettings:
    """``global_time_shares``: of all events before, between and after the two points in time of ``global_time``."""

    split: str = younger("leave_one_out", neutral="leave_one_out")
    global_time_shares: Sequence[float] = younger([0.8, 0.1, 0.1], neutral=[0.8, 0.1, 0.1])


def check_split(model: str, config: Mapping[str, Any]) -> list[str]:
    """The faults of ``split`` and ``global_time_shares``, and of stages that a point in time does not bound."""
    split, shares, stage = config["split"], config["global_time_shares"], config.get("train_stage")
    if split not in SPLITS:
        return [f"split={split!r} must be one of {', '.join(SPLITS)}{did_you_mean(str(split), SPLITS)}"]
    if split != GLOBAL_TIME:
        unread = shares != DEFAULTS["global_time_shares"]
        return (
            [f"global_time_shares={shares!r} has no effect with split={split}: set split=global_time"] if unread else []
        )
    found = []
    if (
        not isinstance(shares, list)
        or len(shares) != len(PARTS)
        or not all(isinstance(share, int | float) and share > 0 for share in shares)
        or abs(sum(shares) - 1) > 1e-6
    ):
        found.append(f"global_time_shares={shares!r} must be three shares above 0 that add up to 1: [0.8, 0.1, 0.1]")
    if stage in OTHER_DATA and not model.startswith("S3Rec"):
        found.append(
            f"split=global_time: train_stage={stage} would learn from events after the point in time; "
            "it needs split=leave_one_out"
        )
    return found


def check_same_split(config: Mapping[str, Any]) -> None:
    """Raises ``ConfigError`` where ``config`` names a run that was split otherwise: it may know what is tested here."""
    own = _split_of(config)
    for setting, name in [(key, one) for key in SOURCES for one in named_runs(config[key])]:
        path = Path(name).expanduser().absolute()
        run = next((folder for folder in (path, *path.parents) if (folder / "config.yaml").is_file()), None)
        before = _split_of(DEFAULTS | read_settings(run / "config.yaml")) if run else own
        if before != own:
            raise ConfigError(
                f"{setting}={name} was split by {before}, not by {own}: it may have learnt what is "
                "tested here; give a run of the same split, or set split as there"
            )


def named_runs(value: Any) -> list[str]:
    """The paths that a setting of ``SOURCES`` holds: none, one, or a list of them."""
    return [str(one) for one in (value if isinstance(value, list) else [value]) if one]


def _split_of(config: Mapping[str, Any]) -> str:
    by_time = config["split"] == GLOBAL_TIME
    return f"global_time {config['global_time_shares']}" if by_time else str(config["split"])


def event_parts(users: np.ndarray, times: np.ndarray, config: Any) -> np.ndarray:
    """One of ``PARTS`` or ``"unused"`` for every event, in the order given, which is chronological.

    ``users`` (n,), ``times`` (n,) in seconds. Leave-one-out: a user's newest event is tested where there are three or
    more, the one before it validated where there are four. Global time: the quantiles of all ``times`` at
    ``global_time_shares`` cut time in three; all events of the first period are learnt from, and of the second and the
    third each user's newest one is the target, with all older events as its history, those of its own period too. An
    event that is alone in what a model could learn of a user is unused.
    """
    events = pd.DataFrame({"user": users, "time": times})
    newer = events.groupby("user").cumcount(ascending=False)
    if config["split"] == GLOBAL_TIME:
        borders = np.quantile(times, np.cumsum(config["global_time_shares"])[:2], method="lower")
        period = np.searchsorted(borders, times, side="left")  # a border belongs to the older period
        newest = events.assign(period=period).groupby(["user", "period"]).cumcount(ascending=False) == 0
        older = events.groupby("user").cumcount() > 0
        targets = [(period == number) & newest & older for number in (1, 2)]
        learnt = period == 0
    else:
        length = events.groupby("user")["user"].transform("size")
        targets = [(newer == 1) & (length > TESTED), (newer == 0) & (length >= TESTED)]
        learnt = ~(targets[0] | targets[1])
    learnt &= events.assign(learnt=learnt).groupby("user")["learnt"].transform("sum") > 1
    return np.select([*targets, learnt], [*PARTS[1:], PARTS[0]], UNUSED)


def filled_share(users: np.ndarray, times: np.ndarray) -> float:
    """Of the gaps between a user's events, as a share of those above 0, those of exactly a day.

    A source that does not know its times is often filled so; ``users`` and ``times`` (n,) in chronological order.
    """
    gaps = pd.DataFrame({"user": users, "time": times}).groupby("user")["time"].diff().to_numpy()
    gaps = gaps[gaps > 0]
    return float((gaps == DAY).mean()) if len(gaps) else 0.0


def warn_of_filled_times(name: str, users: np.ndarray, times: np.ndarray) -> None:
    """Logs a warning where the times of data set ``name`` look made up."""
    share = filled_share(users, times)
    if share > MOST_FILLED:
        logger.warning(
            "split=global_time on %s: %.0f %% of the gaps between a user's events are exactly one day: its timestamps "
            "are not all real, and one point in time means little there",
            name,
            100 * share,
        )
