"""results.csv and results.parquet: one line a run, for those who make their own tables."""

from collections.abc import Sequence

import pandas as pd

from calrec_recbole.report.rows import KEYS, Row

__all__ = ["results_frame"]


def results_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """``dataset, label, model, seed``, ``users`` (that the test metrics are over), every test metric,
    ``valid_<metric>``, of each other view of the ranks ``<view>_users`` and ``<view>_<metric>``, costs (s, ms, MiB),
    ``folder``.

    A row without a run stands there with its error.
    """
    lines = []
    for row in rows:
        named = {"dataset": row.dataset, "label": row.label, "model": row.model}
        for run in row.runs:
            valid = {f"valid_{key}": value for key, value in run.metrics.get("valid", {}).items()}
            costs = {
                "train_seconds": run.train_seconds,
                "test_milliseconds_per_user": run.test_milliseconds,
                "peak_memory_mib": run.memory,
            }
            users = {"seed": run.seed, "users": run.tested or None}
            views: dict[str, float] = {}
            for view, table in run.views.items():
                views |= {f"{view}_users": len(table)} | {f"{view}_{key}": table[key].mean() for key in KEYS}
            lines.append(
                {**named, **users, **run.test, **valid, **views, **costs, "folder": str(run.folder), "error": ""}
            )
        if row.error:
            lines.append({**named, "error": row.error})
    return pd.DataFrame(lines)
