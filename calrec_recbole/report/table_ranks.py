"""ranks.parquet of a results folder: all ranks of every test user under every row of a table, without user ids."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.finished_runs import VIEWS
from calrec_recbole.report.rows import Row
from calrec_recbole.stored_files import read_table

__all__ = ["RANKS_FILE", "read_table_ranks", "write_table_ranks"]

RANKS_FILE = "ranks.parquet"
CASES = ("optimistic", "pessimistic")


def write_table_ranks(folder: Path, rows: Sequence[Row], facts: Mapping[str, pd.DataFrame]) -> None:
    """Writes ``dataset, user, target`` and per row and seed ``<label>, seed <seed>, <case>`` (int32) to ``folder``.

    Of each other view that the run kept follows ``<label>, seed <seed>, <case> - <case>_<view>``: by how much that rank
    is less than the one of ``<case>``, which compresses well; missing where a user has no such rank.

    ``user`` is the place, from 0, among the data set's test users sorted by their ids: the index of ``facts``, which
    holds what is known of all of them, by data set. A data set without facts is left out, and so is a run on another
    version of the data: with a user that the facts do not know, or another target. Where nothing is left an earlier
    file goes.
    """
    tables = [
        _of_dataset(dataset, [row for row in rows if row.dataset == dataset and row.runs], known)
        for dataset, known in facts.items()
    ]
    tables = [table for table in tables if len(table.columns) > 3]
    if not tables:
        (folder / RANKS_FILE).unlink(missing_ok=True)
        return
    joined = pd.concat(tables, ignore_index=True).astype({"dataset": "category", "target": "category"})
    with replacing_file(folder / RANKS_FILE) as temporary:
        joined.to_parquet(temporary, index=False, compression="zstd")


def read_table_ranks(folder: Path) -> dict[tuple[str, str, int], pd.DataFrame]:
    """(dataset, label, seed) -> ``item_id, optimistic, pessimistic`` (int64) by ``user``, as ``evaluation.read_ranks``.

    Of the other views that were kept also the columns ``<case>_<view>`` (Int64); older tables have none. Raises
    ``DataError`` where the results folder keeps no ranks.
    """
    file = folder / RANKS_FILE
    if not file.is_file():
        raise DataError(f"{folder} keeps no {RANKS_FILE}; run calrec compare with the data and the runs at hand")
    table = read_table(file, "run calrec compare again")
    ending = f", {CASES[0]}"
    names = [str(column).removesuffix(ending) for column in table if str(column).endswith(ending)]
    found = {}
    for dataset, own in table.groupby("dataset", observed=True, sort=False):
        of_user = own.set_index("user")
        for name in names:
            ranks = of_user[[_column(name, case) for case in CASES]].dropna().astype("int64")
            if len(ranks):
                label, _, seed = name.rpartition(", seed ")
                ranks.columns = pd.Index(CASES)
                ranks.insert(0, "item_id", of_user["target"].astype(str).loc[ranks.index])
                for view, case in _views():
                    if (column := _view_column(name, view, case)) in of_user:
                        less = of_user.loc[ranks.index, column].astype("Int64")
                        if less.notna().any():  # not a view that runs on other data sets alone have
                            ranks[f"{case}_{view}"] = ranks[case] - less
                found[str(dataset), label, int(seed)] = ranks
    return found


def _of_dataset(dataset: str, rows: Sequence[Row], known: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame({"dataset": dataset, "user": range(len(known)), "target": known["target"].to_numpy()})
    columns = {}
    for row in rows:
        for run in row.runs:
            places = known.index.get_indexer(run.ranks.index)
            if (places < 0).any() or (table["target"].to_numpy()[places] != run.ranks["item_id"]).any():
                continue
            name = f"{row.label}, seed {run.seed}"
            own = {_column(name, case): run.ranks[case] for case in CASES}
            for view, case in _views():
                if view in run.views:
                    own[_view_column(name, view, case)] = run.ranks[case] - run.ranks[f"{case}_{view}"]
            for column, values in own.items():
                columns[column] = pd.Series(values.to_numpy(), index=places).reindex(table.index).astype("Int32")
    return table.assign(user=table["user"].astype("int32"), **columns)


def _views() -> Iterator[tuple[str, str]]:
    return ((view, case) for view in VIEWS for case in CASES)


def _column(name: str, case: str) -> str:
    return f"{name}, {case}"


def _view_column(name: str, view: str, case: str) -> str:
    return _column(name, f"{case} - {case}_{view}")
