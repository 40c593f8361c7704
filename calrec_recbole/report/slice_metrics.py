"""Each row's metrics by slice of the test users; what is known of the users comes with them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calrec_recbole.evaluation.per_user import metric_vectors
from calrec_recbole.evaluation.significance import bootstrap_means, interval
from calrec_recbole.evaluation.user_slices import slice_means, user_slices
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.rows import KEYS, METRICS, Row

__all__ = ["HIGH", "LOW", "sliced"]

DRAWN = METRICS[0].pes  # the metric that the plots show
LOW, HIGH = f"{DRAWN}_low", f"{DRAWN}_high"
RESAMPLES = 1_999  # of the bootstrap of each slice


def sliced(rows: Sequence[Row], facts: pd.DataFrame | None) -> pd.DataFrame:
    """``label, by, slice, users``, a column a metric, and the 95 % bootstrap interval of ``DRAWN`` over users; means
    over seeds, slices without users left out.

    ``by`` is the way to slice. Raises ``DataError`` where ``facts`` are of other data than the runs.
    """
    if facts is None:
        return pd.DataFrame()
    tables = []
    for row in rows:
        found = [_of_run(run, facts) for run in row.runs]
        if found:
            numbers = ["users", *KEYS, LOW, HIGH]
            means = pd.concat(found).groupby(["by", "slice"], sort=False)[numbers].mean().reset_index()
            tables.append(means.assign(label=row.label, users=means["users"].round().astype(int)))
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True)[["label", "by", "slice", "users", *KEYS, LOW, HIGH]]


def _of_run(run: Run, facts: pd.DataFrame) -> pd.DataFrame:
    vectors = metric_vectors(run.ranks, list(KEYS))
    parts = []
    for by, labels in user_slices(facts, run.ranks).items():
        means = slice_means(labels, vectors).join(_ends(labels, vectors[DRAWN])).rename_axis("slice").reset_index()
        parts.append(means[means["users"] > 0].assign(by=by, slice=means["slice"].astype(str)))
    return pd.concat(parts, ignore_index=True)


def _ends(labels: pd.Categorical, values: pd.Series) -> pd.DataFrame:
    """The interval of the mean of ``values`` in each slice that has users."""
    ends = {}
    for name in labels.categories:
        own = values[np.asarray(labels == name)]
        if len(own):
            low, high = interval(bootstrap_means(own.to_numpy()[:, None], RESAMPLES))
            ends[name] = {LOW: float(low[0]), HIGH: float(high[0])}
    return pd.DataFrame.from_dict(ends, orient="index", columns=[LOW, HIGH])
