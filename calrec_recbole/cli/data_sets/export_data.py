"""`calrec export`: a prepared data set as JSON lines or Parquet, for any other framework."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

DESCRIPTION = """Writes the items, the events with the part of the split that each is in, and the users to validate and
to test on with their histories and targets, as JSON lines or Parquet. Train on the events of part "training" alone;
`calrec evaluate` then ranks what a system scores for the users of the test."""


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "export",
        help="a data set, its split included, as JSON lines or Parquet",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", required=True, metavar="NAME", help="a prepared data set; ml-100k needs no preparation")
    add("--out", required=True, type=Path, metavar="DIR", help="where the files are written")
    add("--format", default="jsonl", metavar="NAME", help="jsonl (default) or parquet")
    add("--config_files", metavar="F,F2", help="YAML files, as run_recbole takes them")
    parser.set_defaults(run=run, parser=parser, takes_settings=True)


def run(arguments: argparse.Namespace) -> None:
    """Writes and tells the files; ``--key=value`` are settings of the data (split, data_path)."""
    from calrec_recbole.cli.calrec import say_loading
    from calrec_recbole.cli.run_recbole import named_files
    from calrec_recbole.setting_files import parse_arguments

    settings = parse_arguments(arguments.settings)
    say_loading()
    from calrec_recbole.plugin.config import Config
    from calrec_recbole.plugin.data.prepared import prepare
    from calrec_recbole.plugin.exchange.exported_data import export

    prepared = prepare(Config("Pop", arguments.dataset, named_files(arguments.config_files), settings))
    for file in export(prepared, arguments.out, arguments.format):
        print(file)
