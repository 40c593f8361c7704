"""Means with intervals, and tests against a reference: of the rows on one data set, and over several."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from calrec_recbole.errors import DataError, did_you_mean
from calrec_recbole.evaluation.paired_comparison import category_means, compare
from calrec_recbole.evaluation.per_user import align, metric_vectors
from calrec_recbole.report.rows import KEYS, METRICS, Row
from calrec_recbole.report.tables.metric_tables import OURS

__all__ = ["compared", "over_datasets", "reference_of", "seeds_p"]

DECIDES = METRICS[0].pes  # paper 4: model selection is by pessimistic NDCG@10
UNTESTED = ["model", "metric", "units", "mean", "low", "high"]


def reference_of(rows: Sequence[Row], wanted: str) -> str:
    """The label that the others are tested against: ``wanted``; by default the best baseline, or the best of all.

    Best is by pessimistic NDCG@10, the mean over data sets. Empty with fewer than two finished labels, and where
    ``wanted`` has not finished. Raises ``DataError`` for a label that no row has.
    """
    known = list(dict.fromkeys(row.label for row in rows))
    if wanted and wanted not in known:
        raise DataError(f"reference={wanted!r} is no row{did_you_mean(wanted, known)}; rows: {', '.join(known)}")
    finished = {label: [row for row in rows if row.label == label and row.runs] for label in known}
    finished = {label: own for label, own in finished.items() if own}
    if len(finished) < 2:
        return ""
    if wanted:
        return wanted if wanted in finished else ""
    baselines = [label for label, own in finished.items() if own[0].model != OURS]
    return max(baselines or finished, key=lambda label: np.mean([row.value(DECIDES) for row in finished[label]]))


def compared(rows: Sequence[Row], reference: str) -> pd.DataFrame:
    """``evaluation.compare`` of the rows on one data set, and ``seeds_p`` where seeds tell; without a ``reference`` the
    means and intervals alone.

    ``compare`` takes the mean over seeds of each user: its p and intervals are for other users and the same trained
    models. ``seeds_p`` is for other seeds and the same users: Welch's t-test of the means of the seeds, not corrected.

    Raises ``DataError`` where users or targets differ: see ``report.inputs.shared_users``.
    """
    kept = [row for row in rows if row.runs]
    if not kept:
        return pd.DataFrame()
    vectors = _vectors(kept)
    if reference not in vectors:
        return compare(vectors, kept[0].label)[UNTESTED]
    return _with_seeds(compare(vectors, reference), {row.label: row for row in kept}, reference)


def _with_seeds(tests: pd.DataFrame, rows: Mapping[str, Row], reference: str) -> pd.DataFrame:
    pairs = zip(tests["model"], tests["metric"], strict=True)
    found = [seeds_p(rows[label], rows[reference], key) for label, key in pairs]
    return tests.assign(seeds_p=found) if np.isfinite(found).any() else tests


def seeds_p(row: Row, other: Row, key: str) -> float:
    """Two-sided p of Welch's t-test of the seeds' means of a test metric; NaN with fewer than two seeds of each row,
    and for a row against itself.
    """
    pair = [[run.test.get(key, np.nan) for run in one.runs] for one in (row, other)]
    if row is other or min(map(len, pair)) < 2 or not any(np.std(values) for values in pair):
        return float("nan")
    return float(scipy.stats.ttest_ind(*pair, equal_var=False).pvalue)


def over_datasets(rows: Sequence[Row], reference: str) -> dict[str, pd.DataFrame]:
    """Unit of the tests -> ``evaluation.compare`` over all data sets: every user of them, or every data set's mean.

    The paper's Table 4 does not say which of the two it took. Of the labels that have finished everywhere; empty with
    fewer than two data sets or labels, and where runs on one data set have other users.
    """
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    finished = {(row.dataset, row.label) for row in rows if row.runs}
    labels = [
        label for label in dict.fromkeys(r.label for r in rows) if all((name, label) in finished for name in datasets)
    ]
    if len(datasets) < 2 or len(labels) < 2 or reference not in labels:
        return {}
    try:
        frames = {name: _vectors([r for r in rows if r.dataset == name and r.label in labels]) for name in datasets}
    except DataError:  # its own section says so
        return {}
    users = {label: pd.concat({name: frames[name][label] for name in datasets}) for label in labels}
    return {"users": compare(users, reference), "data sets": compare(category_means(frames), reference)}


def _vectors(rows: Sequence[Row]) -> Mapping[str, pd.DataFrame]:
    """Per label users x metrics, the users in one order, the mean over seeds."""
    ranks = {(row.label, place): run.ranks for row in rows for place, run in enumerate(row.runs)}
    aligned = align({f"{label} #{place}": table for (label, place), table in ranks.items()})
    frames: dict[str, list[pd.DataFrame]] = {}
    for (label, _), table in zip(ranks, aligned.values(), strict=True):
        frames.setdefault(label, []).append(metric_vectors(table, list(KEYS)))
    return {label: sum(of_seeds[1:], start=of_seeds[0]) / len(of_seeds) for label, of_seeds in frames.items()}
