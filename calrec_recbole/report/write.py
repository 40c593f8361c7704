"""The results folder: tables, frames, plots and the page, all from the manifest's runs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from calrec_recbole.durable_files import replacing_file, write_text
from calrec_recbole.report.inputs.manifest import Manifest
from calrec_recbole.report.inputs.user_facts import CACHE, read_facts

__all__ = ["write_report"]

STAMP = f"{CACHE}/rendered"  # what the folder was made from: the same again is not made again
LAST = "report.html"


def write_report(manifest: Manifest, out: Path, anew: bool = False) -> None:
    """Writes results.csv and .parquet, tests.csv, slices.csv, table.md, table.tex, plots/ and report.html to ``out``.

    Where ``out`` was made from the same runs by the same code it is left as it is, unless ``anew``.
    """
    stamp = _stamp(manifest)
    if not anew and (out / LAST).is_file() and (out / STAMP).is_file() and (out / STAMP).read_text() == stamp:
        return
    from calrec_recbole.report.dataset_section import section_of
    from calrec_recbole.report.inputs.shared_users import shared
    from calrec_recbole.report.page import Overall, page
    from calrec_recbole.report.plots.all_plots import draw_plots
    from calrec_recbole.report.rows import rows_of
    from calrec_recbole.report.statistics import over_datasets, reference_of
    from calrec_recbole.report.tables.metric_tables import average_table
    from calrec_recbole.report.tables.paper_rows import AVERAGE, paper_rows
    from calrec_recbole.report.tables.results_frame import results_frame
    from calrec_recbole.report.tables.text_tables import latex, markdown

    (out / "plots").mkdir(parents=True, exist_ok=True)
    (out / CACHE).mkdir(exist_ok=True)
    (out / STAMP).unlink(missing_ok=True)
    manifest.write(out)
    found = rows_of(manifest)
    names = dict.fromkeys(row.dataset for row in found)
    of_dataset = {name: shared([row for row in found if row.dataset == name]) for name in names}
    rows = [row for own in of_dataset.values() for row in own.rows]
    sections = [section_of(name, own, manifest, read_facts(out, own.rows)) for name, own in of_dataset.items()]
    reference = reference_of(rows, manifest.reference)
    overall = over_datasets(rows, reference)
    average = average_table(rows, paper_rows(manifest.paper, AVERAGE) if manifest.paper else {})
    _write_frame(results_frame(rows), out / "results", parquet=True)
    tests = [(one.dataset, one.tests) for one in sections]
    tests += [(f"all, units are {unit}", found) for unit, found in overall.items()]
    _write_frame(_joined(tests), out / "tests")
    _write_frame(_joined([(one.dataset, one.slices) for one in sections]), out / "slices")
    tables = {one.dataset: one.table for one in sections}
    for one in sections:
        if one.changes:
            tables[f"{one.dataset}: (optimistic + pessimistic) / 2 against {manifest.reference}"] = one.changes
    if average:
        tables["Average"] = average
    told = {one.dataset: one.told for one in sections}
    below = {one.dataset: [f"{line.removesuffix('.')}." for line in (one.told, *one.notes) if line] for one in sections}
    write_text(out / "table.md", markdown(tables, manifest.title, manifest.command, manifest.notes, below))
    write_text(out / "table.tex", latex(tables, manifest.title, manifest.command, told))
    plots = {one.dataset: draw_plots(one, out / "plots") for one in sections}
    write_text(out / LAST, page(manifest, sections, plots, Overall(average, overall, reference)))
    write_text(out / STAMP, stamp)


def _write_frame(frame: pd.DataFrame, file: Path, parquet: bool = False) -> None:
    if frame.empty:
        file.with_suffix(".csv").unlink(missing_ok=True)  # of an earlier report
        return
    write_text(file.with_suffix(".csv"), frame.to_csv(index=False))
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
