"""Each row's metrics by slice of the test users; what is known of the users comes with them."""

from collections.abc import Sequence

import pandas as pd

from calrec_recbole.evaluation.per_user import metric_vectors
from calrec_recbole.evaluation.significance import bootstrap_means, interval
from calrec_recbole.evaluation.user_slices import user_slices
from calrec_recbole.report.rows import KEYS, METRICS, Row

__all__ = ["HIGH", "LOW", "sliced"]

DRAWN = METRICS[0].pes  # the metric that the plots show
LOW, HIGH = f"{DRAWN}_low", f"{DRAWN}_high"
WITH_ENDS = [DRAWN, *(metric.exp for metric in METRICS)]
ENDS = [f"{key}_{end}" for key in WITH_ENDS for end in ("low", "high")]
RESAMPLES = 1_999  # of the bootstrap of each slice


def sliced(rows: Sequence[Row], facts: pd.DataFrame | None) -> pd.DataFrame:
    """``label, by, slice, users``, a column a metric, and ``<metric>_low`` and ``<metric>_high`` of ``WITH_ENDS``: the
    95 % bootstrap interval over users. Slices without users are left out.

    ``by`` is the way to slice. A row of several seeds counts each user and seed once; its ``users`` are the mean over
    seeds, and a resample draws users with all of their seeds. Raises ``DataError`` where ``facts`` are of other data
    than the runs.
    """
    parts = [_of_row(row, facts) for row in rows if row.runs] if facts is not None else []
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _of_row(row: Row, facts: pd.DataFrame) -> pd.DataFrame:
    labelled: dict[str, list[pd.DataFrame]] = {}
    for run in row.runs:
        vectors = metric_vectors(run.ranks, list(KEYS))
        for by, labels in user_slices(facts, run.ranks).items():
            labelled.setdefault(by, []).append(vectors.assign(slice=labels))
    found = []
    for by, of_seeds in labelled.items():
        for name, own in pd.concat(of_seeds).groupby("slice", sort=True, observed=True):
            values = own[list(KEYS)]
            told = {"label": row.label, "by": by, "slice": str(name), "users": round(len(own) / len(row.runs))}
            found.append(told | values.mean().to_dict() | _ends(values[WITH_ENDS]))
    return pd.DataFrame(found)


def _ends(values: pd.DataFrame) -> dict[str, float]:
    """The ends of the intervals of the means of ``values``, a row a user and seed, indexed by user."""
    users = values.groupby(level=0, sort=False)
    drawn = bootstrap_means(users.sum().assign(seeds=users.size()).to_numpy(), RESAMPLES)
    lows, highs = interval(drawn[:, :-1] / drawn[:, -1:])
    return dict(zip(ENDS, [end for pair in zip(lows, highs, strict=True) for end in map(float, pair)], strict=True))
