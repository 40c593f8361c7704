"""The results folder: tables, frames, plots and the page, all from the manifest's runs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from calrec_recbole.durable_files import replacing_file, write_text
from calrec_recbole.report.csv_frames import write_frame
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.inputs.user_facts import CACHE

if TYPE_CHECKING:
    from calrec_recbole.report.contents import Contents

__all__ = ["write_report"]

STAMP = f"{CACHE}/rendered"  # what the folder was made from: the same again is not made again
LAST = "report.html"


def write_report(manifest: Manifest, out: Path, anew: bool = False, kept_in: Path | None = None) -> None:
    """Writes results.csv and .parquet, tests.csv, slices.csv, ranks.parquet, kept.json, table.md, table.tex, plots/ and
    report.html to ``out``.

    Where run folders of the manifest are gone, tables, plots and page are made of what the results folder ``kept_in``
    keeps. Where ``out`` was made from the same runs by the same code it is left as it is, unless ``anew``.
    Raises ``DataError`` where runs are gone and nothing is kept of them.
    """
    stamp = _stamp(manifest)
    if not anew and (out / LAST).is_file() and (out / STAMP).is_file() and (out / STAMP).read_text() == stamp:
        return
    from calrec_recbole.report.contents import from_kept, from_runs
    from calrec_recbole.report.inputs.kept import read_kept, runs_are_gone

    gone = kept_in is not None and runs_are_gone(manifest)
    contents = from_kept(manifest, read_kept(kept_in)) if gone and kept_in else from_runs(manifest, out)
    (out / CACHE).mkdir(parents=True, exist_ok=True)
    (out / STAMP).unlink(missing_ok=True)
    manifest.write(out)
    if not gone:
        _write_numbers(contents, out)
    _write_pages(manifest, contents, out)
    write_text(out / STAMP, stamp)


def _write_numbers(contents: "Contents", out: Path) -> None:
    """What cannot be made again without the run folders."""
    from calrec_recbole.report.inputs.kept import OVER_ALL, KeptDataset, write_kept
    from calrec_recbole.report.table_ranks import write_table_ranks
    from calrec_recbole.report.tables.results_frame import results_frame

    sections = contents.sections
    _write_frame(results_frame(contents.rows), out / "results", parquet=True)
    tests = [(one.dataset, one.tests) for one in sections]
    tests += [(f"{OVER_ALL}{unit}", found) for unit, found in contents.overall.tests.items()]
    _write_frame(_joined(tests), out / "tests")
    _write_frame(_joined([(one.dataset, one.slices) for one in sections]), out / "slices")
    told = {
        one.dataset: KeptDataset(
            one.users_note,
            list(one.notes),
            [asdict(row) for row in one.masked[0]],
            one.masked[1],
            [asdict(row) for row in one.equivalent],
        )
        for one in sections
    }
    runs = [run for row in contents.rows for run in row.runs]
    write_kept(out, runs, told, [asdict(column) for column in contents.data])
    write_table_ranks(out, contents.rows, contents.facts)


def _write_pages(manifest: Manifest, contents: "Contents", out: Path) -> None:
    from calrec_recbole.report.page import page
    from calrec_recbole.report.plots.all_plots import draw_plots
    from calrec_recbole.report.plots.looks import looks_of
    from calrec_recbole.report.tables.row_notes import ties_note
    from calrec_recbole.report.tables.text_tables import latex, markdown

    (out / "plots").mkdir(parents=True, exist_ok=True)
    sections = contents.sections
    tables = {one.dataset: one.table for one in sections}
    below = {
        one.dataset: [
            f"{line.removesuffix('.')}."
            for line in (one.users_note, one.gain_note, ties_note(one.finished), *one.row_notes, *one.notes)
            if line
        ]
        for one in sections
    }
    for one in sections:
        if one.changes.rows:
            title = f"{one.dataset}: {one.changes.of} against {manifest.reference}"
            tables[title], below[title] = one.changes.rows, [one.changes.note] if one.changes.note else []
    if contents.overall.average:
        tables["Average"] = contents.overall.average
    told = {one.dataset: one.users_note for one in sections}
    views = {f"{one.dataset}: other views of the same runs": one for one in sections if one.views}
    below |= {title: [one.views_note] for title, one in views.items()}
    all_tables = {**tables, **{title: one.views for title, one in views.items()}}
    write_text(out / "table.md", markdown(all_tables, manifest.title, manifest.command, manifest.notes, below))
    write_text(out / "table.tex", latex(tables, manifest.title, manifest.command, told))
    looks = looks_of(contents.rows)
    plots = {one.dataset: draw_plots(one, out / "plots", looks) for one in sections}
    write_text(out / LAST, page(manifest, sections, plots, contents.overall, contents.data, looks))


def _write_frame(frame: pd.DataFrame, file: Path, parquet: bool = False) -> None:
    if frame.empty:
        file.with_suffix(".csv").unlink(missing_ok=True)  # of an earlier report
        return
    write_frame(frame, file.with_suffix(".csv"))
    if parquet:
        with replacing_file(file.with_suffix(".parquet")) as temporary:
            frame.to_parquet(temporary, index=False)


def _joined(frames: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    named = [frame.assign(dataset=dataset) for dataset, frame in frames if not frame.empty]
    if not named:
        return pd.DataFrame()
    joined = pd.concat(named, ignore_index=True)
    return joined[["dataset", *(column for column in joined if column != "dataset")]]


def _stamp(manifest: Manifest) -> str:
    """Of the manifest, the finished runs' metrics and this package's files."""
    found = hashlib.sha256(json.dumps(asdict(manifest), sort_keys=True).encode())
    runs = [Path(entry.folder) / "metrics.json" for entry in manifest.entries if entry.folder]
    code = [file for file in sorted(Path(__file__).parent.rglob("*")) if file.suffix in (".py", ".html", ".css", ".js")]
    for file in runs + code:
        found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()
