"""Each row's metrics by slice of the test users; what is known of the users lies in the results folder."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from calrec_recbole.evaluation.per_user import metric_vectors, read_ranks
from calrec_recbole.evaluation.slices import slice_means, user_slices
from calrec_recbole.report.rows import KEYS, Row

__all__ = ["FACTS", "read_facts", "sliced"]

FACTS = "users"  # folder of <data set>.parquet: a row a test user


def read_facts(out: Path, dataset: str) -> pd.DataFrame | None:
    """What ``calrec compare`` and ``calrec report`` put there; None where they could not."""
    file = out / FACTS / f"{dataset}.parquet"
    return pd.read_parquet(file).set_index("user_id") if file.is_file() else None


def sliced(rows: Sequence[Row], facts: pd.DataFrame | None) -> pd.DataFrame:
    """``label, by, slice, users`` and a column a metric; the mean over seeds, slices without users left out.

    ``by`` is the way to slice. Raises ``DataError`` where ``facts`` are of other data than the runs.
    """
    if facts is None:
        return pd.DataFrame()
    tables = []
    for row in rows:
        found = [_of_run(run.folder, facts) for run in row.runs if (run.folder / "ranks.parquet").is_file()]
        if found:
            means = pd.concat(found).groupby(["by", "slice"], sort=False)[["users", *KEYS]].mean().reset_index()
            tables.append(means.assign(label=row.label, users=means["users"].round().astype(int)))
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True)[["label", "by", "slice", "users", *KEYS]]


def _of_run(folder: Path, facts: pd.DataFrame) -> pd.DataFrame:
    ranks = read_ranks(folder)
    vectors = metric_vectors(ranks, list(KEYS))
    parts = []
    for by, labels in user_slices(facts, ranks).items():
        means = slice_means(labels, vectors).rename_axis("slice").reset_index()
        parts.append(means[means["users"] > 0].assign(by=by, slice=means["slice"].astype(str)))
    return pd.concat(parts, ignore_index=True)
