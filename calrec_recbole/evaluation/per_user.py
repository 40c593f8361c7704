"""Per-user metrics of finished runs, from the ranks that each leaves on disk: what every interval and test works on."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calrec_recbole.errors import DataError
from calrec_recbole.evaluation.summary import metric_names, metric_values
from calrec_recbole.stored_files import read_table

__all__ = ["align", "equivalent_items", "metric_vector", "metric_vectors", "read_ranks", "without_last_item"]

COLUMNS = ("item_id", "optimistic", "pessimistic")
CASES = ("optimistic", "pessimistic")
VIEWS = ("masked", "equivalent")  # other ranks of the same users

_MEAN = re.compile(r"_mean(?=@|$)")


def read_ranks(run: Path) -> pd.DataFrame:
    """The ranks of a run's test users, sorted by user: index ``user_id``, columns as in ``ranks.parquet``.

    ``run`` is the run's folder or the file itself. Old runs lack the masked or the equivalent ranks. Raises
    ``DataError`` for a file that is missing, lacks a column, holds a user twice or holds ranks that cannot be.
    """
    file = run / "ranks.parquet" if run.is_dir() else run
    if not file.is_file():
        raise DataError(f"{run} holds no ranks.parquet: the run has not finished; run it again")
    table = read_table(file, "it is no file of ranks; run it again", ("user_id", "item_id"), COLUMNS[1:])
    if table["user_id"].duplicated().any():
        raise DataError(f"{file} holds user {table['user_id'][table['user_id'].duplicated()].iloc[0]!r} twice")
    wrong = (table["optimistic"] < 1) | (table["pessimistic"] < table["optimistic"])
    if wrong.any():
        raise DataError(
            f"{file}: ranks of user {table['user_id'][wrong].iloc[0]!r} are not 1 <= optimistic <= pessimistic"
        )
    for name in (f"{case}_{view}" for view in VIEWS for case in CASES):
        if name in table and not _rank_or_gap(table[name]).all():
            raise DataError(f"{file}: the column {name} holds what is no rank; run it again")
    return table.set_index("user_id").sort_index()


def _rank_or_gap(column: pd.Series) -> pd.Series:
    """Whether each value is a whole number from 1, or missing; Parquet reads a column with gaps as floats."""
    if not pd.api.types.is_numeric_dtype(column):
        return column.isna()
    return column.isna() | ((column >= 1) & (column <= 2**53) & (column % 1 == 0))


def align(runs: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """``runs`` with their users in one order; ``DataError`` unless all hold the same users with the same targets."""
    aligned: dict[str, pd.DataFrame] = {}
    for name, ranks in runs.items():
        if not aligned:
            first, aligned[name] = name, ranks
            continue
        users = aligned[first].index
        other = len(users.symmetric_difference(ranks.index))
        if other:
            raise DataError(f"{first} and {name} differ in {other} users: only runs on the same data can be compared")
        aligned[name] = ranks.loc[users]
        differing = (aligned[name]["item_id"] != aligned[first]["item_id"]).to_numpy()
        if differing.any():
            raise DataError(
                f"{first} and {name} differ in the target of {differing.sum()} users, such as {users[differing][0]!r}: "
                "only runs on the same data can be compared"
            )
    return aligned


def metric_vector(name: str, ranks: pd.DataFrame) -> NDArray[np.float64]:
    """(n_users,) values of a metric by its name, such as ``ndcg_opt@10``, ``recall_exp@1`` or ``mrr_pes``.

    ``_mean`` in the place of ``_opt`` is the mean of the two cases, user by user: (opt + pes) / 2 of Table 8.
    """
    if _MEAN.search(name):
        return (metric_vector(_MEAN.sub("_opt", name), ranks) + metric_vector(_MEAN.sub("_pes", name), ranks)) / 2
    pair = (ranks[case].to_numpy(dtype=np.int64) for case in ("optimistic", "pessimistic"))
    return metric_values(name, *pair).numpy()


def metric_vectors(ranks: pd.DataFrame, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The users of ``ranks`` as rows, a column a metric of ``names`` (by default ``metric_names()``)."""
    chosen = metric_names() if names is None else names
    return pd.DataFrame({name: metric_vector(name, ranks) for name in chosen}, index=ranks.index)


def without_last_item(ranks: pd.DataFrame) -> pd.DataFrame:
    """``ranks`` as if the history's last item were no candidate; users whose target it is have no such rank.

    They are left out: ``len(ranks) - len(without_last_item(ranks))`` says how many. Raises ``DataError`` for ranks
    that a run of before the masked ranks left.
    """
    return _in_place(ranks, "masked", "to get the last-item-masked metrics")


def equivalent_items(ranks: pd.DataFrame) -> pd.DataFrame:
    """``ranks`` as if any item of the target's text were the target.

    Raises ``DataError`` for ranks that a run of before these ranks left; users without them (no ``.item``) go.
    """
    return _in_place(ranks, "equivalent", "to get the metrics of equivalent items")


def _in_place(ranks: pd.DataFrame, view: str, purpose: str) -> pd.DataFrame:
    columns = {case: f"{case}_{view}" for case in CASES}
    if any(name not in ranks for name in columns.values()):
        raise DataError(f"the ranks hold no *_{view} columns: run the model again {purpose}")
    kept = ranks.dropna(subset=list(columns.values()))
    return kept.assign(**{case: kept[column].astype(np.int64) for case, column in columns.items()})
