"""What is known of the test users of a data set, kept beside a report for its slices; not to be published."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.rows import Row

__all__ = ["CACHE", "facts_file", "read_facts", "write_facts"]

CACHE = ".cache"  # folder in the results folder


def facts_file(out: Path, run: Run) -> Path:
    """One file for all runs on the same data, split alike."""
    return out / CACHE / f"users-{run.data}-{run.data_hash[:12]}.parquet"


def write_facts(facts: pd.DataFrame, file: Path) -> None:
    """``facts`` is indexed by ``user_id``."""
    with replacing_file(file) as temporary:
        facts.reset_index().to_parquet(temporary, index=False)


def read_facts(out: Path, rows: Sequence[Row]) -> pd.DataFrame | None:
    """Reads the facts for the data of the first finished run of ``rows``; None where nobody has written them."""
    run = next((row.runs[0] for row in rows if row.runs), None)
    file = facts_file(out, run) if run else None
    return pd.read_parquet(file).set_index("user_id") if file and file.is_file() else None
