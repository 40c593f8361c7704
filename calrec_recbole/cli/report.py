"""`calrec report`: the results folder of finished runs, without running anything."""

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "report",
        help="tables, tests, plots and report.html of finished runs",
        description="Writes the results folder of `calrec compare` from run folders, or again from a results folder, "
        "also where its run folders are gone.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--runs", metavar="DIR", nargs="+", required=True, help="run folders, folders of runs, or a results folder")
    add("--out", metavar="DIR", type=Path, help="default: the results folder given, or results/report")
    add("--reference", metavar="LABEL", help="what the tests compare with (default: the best baseline)")
    add("--title", help="default: the data sets")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    from calrec_recbole.cli.slices import prepare_slices
    from calrec_recbole.report import manifest_of, write_report
    from calrec_recbole.report.inputs.kept import runs_are_gone

    paths = [Path(part) for given in arguments.runs for part in given.split(",") if part]
    manifest, place = manifest_of(paths)
    for note in manifest.notes if place is None else ():
        print(note, file=sys.stderr)
    manifest = manifest.changed(reference=arguments.reference, title=arguments.title)
    if not manifest.command:
        manifest = manifest.changed(command=arguments.command_line)
    out = arguments.out or place or Path("results") / "report"
    if place is None or not runs_are_gone(manifest):
        prepare_slices(manifest, out)
    write_report(manifest, out, anew=True, kept_in=place)
    print(f"report: {out / 'report.html'}", flush=True)
