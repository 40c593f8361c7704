"""What a run came to: as files in its folder, and as a table for people."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from calrec_recbole.durable_files import write_json
from calrec_recbole.evaluation import GatheredLists, RankTable, tie_summary
from calrec_recbole.evaluation.score_files import write_scores
from calrec_recbole.evaluation.summary import CASES
from calrec_recbole.runs.run_folder import LEFT, METRICS_FILE
from calrec_recbole.stored_files import read_json
from calrec_recbole.training.progress import NATS

__all__ = ["ENVIRONMENT_FILE", "RunResult", "print_result", "read_result", "write_results", "write_validation"]

ENVIRONMENT_FILE = "environment.json"
RANKS_FILE = "ranks.parquet"
TOPK_FILE = "topk.parquet"
VALIDATION_FILE = "validation.json"
BOUNDS = ("low", "exp", "high")  # of the metrics of lists


@dataclass(frozen=True)
class RunResult:
    """Where the run lies, and its metrics by name; ``test`` is empty where nothing was ranked.

    ``users``: how many were evaluated, ``valid`` and ``test``; ``test_in_all``: those of the split. ``left``: how many
    of those to be tested ``evaluate_minutes`` left out.
    """

    folder: Path
    valid: dict[str, float]
    test: dict[str, float]
    best_valid_score: float
    users: dict[str, int]
    left: int = 0
    lists: dict[str, float] = field(default_factory=dict)  # metrics of the test's top-K lists
    given_lists: dict[str, int] = field(default_factory=dict)  # of lists from a file, see ``list_notes``


def write_results(
    folder: Path,
    ranks: RankTable,
    tokens: tuple[list[str], list[str]],
    found: dict[str, Any],
    result: RunResult,
    lists: GatheredLists | None = None,
) -> None:
    """ranks.parquet, topk.parquet (``tokens``: user and item ids), environment.json and, last of all, metrics.json."""
    if len(ranks):
        ranks.write(folder / RANKS_FILE, *tokens)
    else:
        (folder / RANKS_FILE).unlink(missing_ok=True)
    if lists and lists.kept and len(ranks):
        write_scores(folder / TOPK_FILE, lists.frame(*tokens))
    write_json(folder / ENVIRONMENT_FILE, found)
    left = {LEFT: result.left} if result.left else {}
    ties = {"ties": tie_summary(ranks.optimistic, ranks.pessimistic)} if len(ranks) else {}
    of_lists = {"lists": result.lists} if result.lists else {}
    given = {"given_lists": result.given_lists} if result.given_lists else {}
    write_json(folder / METRICS_FILE, {"valid": result.valid, "test": result.test, **of_lists, **ties, **given, **left})


def read_result(folder: Path) -> RunResult:
    """What ``write_results`` left of a run that is whole; without ``best_valid_score``. Raises ``DataError``."""
    again = "remove the folder and run it again"
    found = read_json(folder / METRICS_FILE, again, {"test": dict, "valid?": dict, ...: object})
    users = read_json(folder / ENVIRONMENT_FILE, again, {"users": {...: int}, ...: object})["users"]
    metrics = {name: found.get(name, {}) for name in ("valid", "test", "lists", "given_lists")}
    return RunResult(folder, best_valid_score=float("nan"), users=users, left=found.get(LEFT, 0), **metrics)


def write_validation(folder: Path, found: dict[str, Any], result: RunResult) -> None:
    """environment.json and validation.json, of a run that ends untested and so does not count as finished."""
    write_json(folder / ENVIRONMENT_FILE, found)
    write_json(folder / VALIDATION_FILE, {"valid": result.valid})


def print_result(result: RunResult) -> None:
    """Valid and test metrics beside each other, in the three cases of ties, and the run's folder."""
    table = Table("metric", title=" ".join(result.folder.parts[-3:-1]))
    parts = {name: part for name, part in (("valid", result.valid), ("test", result.test)) if part}
    for column in (f"{part}\n{case}" for part in parts for case in CASES):
        table.add_column(column, justify="right")
    absent = float("nan")
    for name in result.test:
        if "_opt" in name:
            names = [name.replace("_opt", f"_{case}") for case in CASES]
            values = (part.get(key, absent) for part in parts.values() for key in names)
            table.add_row(name.replace("_opt", ""), *("" if value != value else f"{value:.4f}" for value in values))
    console = Console(soft_wrap=True)
    if result.test:
        console.print(table)
    if result.lists:
        console.print(_lists_table(result.lists))
    for line in _told(result):
        console.print(line, highlight=False, markup=False)


def _lists_table(lists: dict[str, float]) -> Table:
    """A row a metric and K, its bounds and its expectation beside each other."""
    table = Table("top-K lists of the test", *BOUNDS)
    for name in dict.fromkeys(re.sub("_(low|exp|high)@", "@", key) for key in lists):
        keys = [name.replace("@", f"_{case}@") for case in BOUNDS]
        table.add_row(name, *(f"{lists[key]:.4f}" if key in lists else "" for key in keys))
    return table


def _told(result: RunResult) -> Iterator[str]:
    """What stands below the table."""
    if NATS in result.valid:
        yield f"valid: {result.valid[NATS]:.2f} nats an item"
    users = result.users
    wanted = f" of {users['test'] + result.left}: the run's command goes on with the others" if result.left else ""
    valid = f"{users['valid']} valid, " if users.get("valid") else ""
    yield f"users: {valid}{users['test']} test{wanted}"
    if not result.test:
        yield f"no ranks, by retrieval=none: calrec rank --run={result.folder} makes them from its samples"
    yield f"run folder: {result.folder}"
