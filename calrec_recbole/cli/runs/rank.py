"""`calrec rank`: ranks and metrics of a finished CALRec run from its samples."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

DESCRIPTION = """Ranks the test users of a CALRec run by the texts that it sampled, and writes ranks and metrics as
run_recbole does: on any machine that has the run's folder and the data, without its weights and without a GPU. A run
of retrieval=none is completed in its folder; for a run that has ranks, --out takes others."""


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "rank",
        help="ranks and metrics of a CALRec run from its samples, without its weights",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", dest="run_dir", required=True, type=Path, metavar="DIR", help="folder of the run")
    names = "lucene, okapi, milvus or hierarchical"
    add("--retrieval", default="", metavar="NAME", help=f"{names} (default: the run's own; lucene where that is none)")
    add("--data_path", type=Path, metavar="DIR", help="prepared data sets (default: where the run had them)")
    add("--out", type=Path, metavar="DIR", help="a new run folder for the results (default: the run's own)")
    parser.set_defaults(run=run, parser=parser, goes_on="nothing was written; the same command starts again")


def run(arguments: argparse.Namespace) -> None:
    from calrec_recbole.cli.calrec import say_loading

    say_loading()
    from calrec_recbole.plugin.calrec.rank_samples import rank
    from calrec_recbole.runs.results import print_result

    print_result(rank(arguments.run_dir, arguments.retrieval, arguments.data_path, arguments.out, show_progress=True))
