"""The users that all rows of a data set were tested on: every number of a report is over them alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import pandas as pd

from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.inputs.manifest import from_here
from calrec_recbole.report.rows import Row

__all__ = ["Shared", "shared"]

SAMPLES_ONLY = "none"  # of the setting retrieval


@dataclass(frozen=True)
class Shared:
    """``rows`` on the ``users`` that all of them share, of ``in_all`` test users; 0 where they were not run on the same
    data. ``notes``: what is left out, and why.
    """

    rows: Sequence[Row]
    users: int = 0
    in_all: int = 0
    all_alike: bool = True  # no row has others
    notes: Sequence[str] = field(default_factory=list)

    @property
    def users_note(self) -> str:
        """Names the tested users: ``128 of 9,471 test users, those that all rows share``; empty where unknown."""
        if not self.users:
            return ""
        of = f" of {self.in_all:,}" if self.users < self.in_all else ""
        return f"{self.users:,}{of} test users" + ("" if self.all_alike else ", those that all rows share")


def shared(rows: Sequence[Row]) -> Shared:
    """Finds the users that all ``rows`` of one data set share; a run without ranks is left out.

    Rows on other data, or with other targets, stay as they are: they cannot be compared user by user.
    """
    kept, notes = _ranked(rows)
    runs = [run for row in kept for run in row.runs]
    try:
        users = _common(runs)
    except DataError:  # whoever compares the rows says so
        return Shared(kept, notes=notes)
    if not len(users):
        return Shared(kept, notes=notes)
    in_all = max(max(len(run.ranks), run.test_in_all) for run in runs)
    alike = all(len(run.ranks) == len(users) for run in runs)
    restricted = [replace(row, runs=[run.on(users) for run in row.runs]) for row in kept]
    return Shared(restricted, len(users), in_all, alike, notes)


def _ranked(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Rows without their runs that have no ranks, as far as something is left to show, and why."""
    kept, notes = [], []
    for row in rows:
        runs = [run for run in row.runs if run.has_ranks]
        notes += [f"{row.label} is left out: {_why(run)}." for run in row.runs if not run.has_ranks]
        if runs or row.error:
            kept.append(replace(row, runs=runs))
    return kept, notes


def _why(run: Run) -> str:
    folder = from_here(run.folder)
    if run.config.get("retrieval") == SAMPLES_ONLY or not run.test:
        return f"its run has samples and no ranks; calrec rank --run={folder} makes them"
    return f"{folder} holds no ranks.parquet; run it again"


def _common(runs: Sequence[Run]) -> pd.Index:
    """The users of all ``runs``, sorted; empty where there is none or where they ran on other data."""
    if not runs or len({run.data_hash for run in runs if run.data_hash}) > 1:
        return pd.Index([])
    users: pd.Index = reduce(lambda some, run: some.intersection(run.ranks.index), runs, runs[0].ranks.index)
    targets = [run.ranks.loc[users, "item_id"] for run in runs]
    return users.sort_values() if all(own.equals(targets[0]) for own in targets) else pd.Index([])
