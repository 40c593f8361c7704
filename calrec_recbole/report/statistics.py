"""Means with intervals, and tests against a reference, of the rows on one data set."""

from collections.abc import Mapping, Sequence

import pandas as pd

from calrec_recbole.errors import DataError, did_you_mean
from calrec_recbole.evaluation.comparison import compare
from calrec_recbole.evaluation.per_user import align, metric_vectors, read_ranks
from calrec_recbole.report.rows import KEYS, METRICS, Row
from calrec_recbole.report.tables import OURS

__all__ = ["compared", "reference_of"]

DECIDES = METRICS[0].pes  # paper 4: model selection is by pessimistic NDCG@10


def reference_of(rows: Sequence[Row], wanted: str) -> Row | None:
    """The row labelled ``wanted``; by default the best baseline, or the best of all where there is none.

    Best is by pessimistic NDCG@10. None with fewer than two finished rows. Raises ``DataError`` for an unknown label.
    """
    finished = [row for row in rows if row.runs]
    if wanted:
        named = [row for row in rows if row.label == wanted]
        if not named:
            known = [row.label for row in rows]
            raise DataError(f"--reference={wanted!r} is no row{did_you_mean(wanted, known)}; rows: {', '.join(known)}")
        return named[0] if named[0].runs and len(finished) > 1 else None
    baselines = [row for row in finished if row.model != OURS]
    return max(baselines or finished, key=lambda row: row.value(DECIDES)) if len(finished) > 1 else None


def compared(rows: Sequence[Row], reference: Row | None) -> tuple[pd.DataFrame, list[str]]:
    """``evaluation.compare`` of the rows, per user the mean over seeds; and a line for each row that is left out."""
    finished, left_out = [], []
    for row in rows:
        if not row.runs:
            continue
        lacking = [str(run.folder) for run in row.runs if not (run.folder / "ranks.parquet").is_file()]
        left_out += [f"{row.label}: no ranks.parquet in {', '.join(lacking)}"] if lacking else []
        finished += [] if lacking else [row]
    if not finished:
        return pd.DataFrame(), left_out
    vectors = _vectors(finished)
    name = reference.label if reference is not None and reference.label in vectors else finished[0].label
    found = compare(vectors, name)
    return (found if reference is not None else found[["model", "metric", "units", "mean", "low", "high"]]), left_out


def _vectors(rows: Sequence[Row]) -> Mapping[str, pd.DataFrame]:
    """Per label users x metrics, the users in one order."""
    ranks = {(row.label, place): read_ranks(run.folder) for row in rows for place, run in enumerate(row.runs)}
    aligned = align({f"{label} #{place}": table for (label, place), table in ranks.items()})
    frames: dict[str, list[pd.DataFrame]] = {}
    for (label, _), table in zip(ranks, aligned.values(), strict=True):
        frames.setdefault(label, []).append(metric_vectors(table, list(KEYS)))
    return {label: sum(of_seeds[1:], start=of_seeds[0]) / len(of_seeds) for label, of_seeds in frames.items()}
