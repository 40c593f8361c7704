"""What is known of the test users of a data set, kept beside a report for its slices; not to be published."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from calrec_recbole.durable_files import file_name, replacing_file
from calrec_recbole.errors import DataError
from calrec_recbole.report.inputs.finished_runs import Run
from calrec_recbole.report.rows import Row
from calrec_recbole.stored_files import read_table

__all__ = ["CACHE", "facts_file", "read_facts", "read_file", "write_facts"]

COUNTS = ("history_length", "training_count", "validation_count")
CACHE = ".cache"  # folder in the results folder


def facts_file(out: Path, run: Run) -> Path:
    """One file for all runs on the same data, split alike."""
    return out / CACHE / f"users-{file_name(f'{run.data}-{run.data_hash[:12]}')}.parquet"


def write_facts(facts: pd.DataFrame, file: Path) -> None:
    """``facts`` is indexed by ``user_id``."""
    with replacing_file(file) as temporary:
        facts.reset_index().to_parquet(temporary, index=False)


def read_facts(out: Path, rows: Sequence[Row]) -> pd.DataFrame | None:
    """Reads the facts for the data of the first finished run of ``rows``; None where nobody has written them."""
    run = next((row.runs[0] for row in rows if row.runs), None)
    file = facts_file(out, run) if run else None
    return read_file(file) if file and file.is_file() else None


def read_file(file: Path) -> pd.DataFrame:
    """What ``write_facts`` wrote; ``DataError`` for a damaged file."""
    table = read_table(file, f"remove {file}", ("user_id", "target", "last_item"), COUNTS)
    if "seen_before" not in table or table["seen_before"].dtype != bool:
        raise DataError(f"{file} lacks the column seen_before: remove {file}")
    return table.set_index("user_id")
