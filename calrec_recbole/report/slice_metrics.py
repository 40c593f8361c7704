"""Each row's metrics by slice of the test users; what is known of the users comes with them."""

from collections.abc import Sequence

import pandas as pd

from calrec_recbole.evaluation.per_user import metric_vectors
from calrec_recbole.evaluation.user_slices import slice_means, user_slices
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.rows import KEYS, Row

__all__ = ["sliced"]


def sliced(rows: Sequence[Row], facts: pd.DataFrame | None) -> pd.DataFrame:
    """``label, by, slice, users`` and a column a metric; the mean over seeds, slices without users left out.

    ``by`` is the way to slice. Raises ``DataError`` where ``facts`` are of other data than the runs.
    """
    if facts is None:
        return pd.DataFrame()
    tables = []
    for row in rows:
        found = [_of_run(run, facts) for run in row.runs]
        if found:
            means = pd.concat(found).groupby(["by", "slice"], sort=False)[["users", *KEYS]].mean().reset_index()
            tables.append(means.assign(label=row.label, users=means["users"].round().astype(int)))
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True)[["label", "by", "slice", "users", *KEYS]]


def _of_run(run: Run, facts: pd.DataFrame) -> pd.DataFrame:
    vectors = metric_vectors(run.ranks, list(KEYS))
    parts = []
    for by, labels in user_slices(facts, run.ranks).items():
        means = slice_means(labels, vectors).rename_axis("slice").reset_index()
        parts.append(means[means["users"] > 0].assign(by=by, slice=means["slice"].astype(str)))
    return pd.concat(parts, ignore_index=True)
