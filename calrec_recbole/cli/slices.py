"""Writes what the slices of a report need to know of the test users; only RecBole knows who is tested on what."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calrec_recbole.report import Manifest

__all__ = ["prepare_slices"]


def prepare_slices(manifest: "Manifest", out: Path) -> None:
    """Writes the file of each data set of the manifest's finished runs where it is missing; says where it cannot."""
    from calrec_recbole.errors import CalrecError
    from calrec_recbole.report.inputs.finished_runs import read_run
    from calrec_recbole.report.inputs.user_facts import facts_file, write_facts

    folders = {
        entry.dataset: Path(entry.folder) for entry in reversed(manifest.entries) if entry.folder and not entry.error
    }
    for dataset, folder in folders.items():
        try:
            file = facts_file(out, read_run(folder))
            if not _whole(file):
                from calrec_recbole.plugin.data.test_users import facts_of_run  # RecBole takes seconds to load

                write_facts(facts_of_run(folder), file)
        except CalrecError as problem:
            print(f"no slices of {dataset}: {problem}", file=sys.stderr)


def _whole(file: Path) -> bool:
    from calrec_recbole.errors import DataError
    from calrec_recbole.report.inputs.user_facts import read_file

    try:
        read_file(file)
    except DataError:
        return False
    return True
