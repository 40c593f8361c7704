"""Which event is learnt from, validated and tested: leave-one-out (paper 4), or one point in time for all users."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calrec_recbole.errors import ConfigError, not_one_of
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.train_stages import reads_other_data
from calrec_recbole.setting_files import read_settings
from calrec_recbole.setting_groups import settings_of, younger

__all__ = [
    "GLOBAL_TIME",
    "PARTS",
    "SPLITS",
    "SplitSettings",
    "check_same_split",
    "check_split",
    "event_parts",
    "filled_share",
    "warn_of_filled_times",
]

logger = logging.getLogger(__name__)

SPLITS = ("leave_one_out", "global_time")
GLOBAL_TIME = SPLITS[1]
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

    def __str__(self) -> str:
        return f"{self.split} {self.global_time_shares}" if self.split == GLOBAL_TIME else self.split


def check_split(model: str, wanted: SplitSettings, stage: object) -> list[str]:
    """The faults of ``split`` and ``global_time_shares``, and of a ``train_stage`` that no point in time bounds."""
    split, shares = wanted.split, wanted.global_time_shares
    if fault := not_one_of("split", split, SPLITS):
        return [fault]
    if split != GLOBAL_TIME:
        unread = shares != SplitSettings().global_time_shares
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
    if reads_other_data(model, stage):
        found.append(
            f"split=global_time: train_stage={stage} would learn from events after the point in time; "
            "it needs split=leave_one_out"
        )
    return found


def check_same_split(own: SplitSettings, sources: SourceSettings) -> None:
    """Raises ``ConfigError`` where ``sources`` name a run that was split otherwise: it may know what is tested here."""
    for setting, name in sources.runs:
        path = Path(name).expanduser().absolute()
        run = next((folder for folder in (path, *path.parents) if (folder / "config.yaml").is_file()), None)
        before = settings_of(SplitSettings, read_settings(run / "config.yaml")) if run else own
        if str(before) != str(own):
            raise ConfigError(
                f"{setting}={name} was split by {before}, not by {own}: it may have learnt what is "
                "tested here; give a run of the same split, or set split as there"
            )


def event_parts(users: np.ndarray, times: np.ndarray, split: SplitSettings) -> np.ndarray:
    """One of ``PARTS`` or ``"unused"`` for every event, in the order given, which is chronological.

    ``users`` (n,), ``times`` (n,) in seconds. Leave-one-out: a user's newest event is tested where there are three or
    more, the one before it validated where there are four. Global time: the quantiles of all ``times`` at
    ``global_time_shares`` cut time in three; all events of the first period are learnt from, and of the second and the
    third each user's newest one is the target, with all older events as its history, those of its own period too. An
    event that is alone in what a model could learn of a user is unused.
    """
    events = pd.DataFrame({"user": users, "time": times})
    newer = events.groupby("user").cumcount(ascending=False)
    if split.split == GLOBAL_TIME:
        borders = np.quantile(times, np.cumsum(split.global_time_shares)[:2], method="lower")
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
    """The share of gaps of exactly a day among the gaps above 0 between a user's events.

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
