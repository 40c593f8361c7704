"""`calrec evaluate`: scores or top-K lists of any system, ranked as every model here is."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

DESCRIPTION = """Ranks the test users of a data set by the scores of a file, and leaves a run folder with ranks, metrics
and their bounds, which calrec report and the tests of calrec compare read as any other.

The file holds rows of user_id, item_id and score (.parquet, .csv; .trec or .run in TREC's columns), or is a matrix of
test users by items (.npy), in the order of calrec export. Higher is better, equal scores are ties. Where it holds
top-K lists, a target that its list lacks ranks last: metrics up to K are exact, unless a list ends within a tie and
lacks others of its items; MRR is a lower bound."""

EXAMPLES = """examples:
  calrec export --dataset=ml-100k --out=exported          what to train on, whom to test, which items to score
  calrec evaluate --dataset=ml-100k --scores=mine.parquet --name=Mine
  calrec report --runs runs/ml-100k"""


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "evaluate",
        help="ranks, metrics and bounds of any system's scores or top-K lists",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", required=True, metavar="NAME", help="a prepared data set; ml-100k needs no preparation")
    add("--scores", required=True, type=Path, metavar="FILE", help=".parquet, .csv, .trec, .run or .npy")
    add("--name", default="", metavar="NAME", help="what tables call the system (default: the file's name)")
    add("--config_files", metavar="F,F2", help="YAML files, as run_recbole takes them")
    parser.set_defaults(run=run, parser=parser, takes_settings=True)


def run(arguments: argparse.Namespace) -> None:
    """One run of the model GivenScores; ``--key=value`` are its settings (split, topk, list_metrics, output_dir)."""
    from calrec_recbole.cli.calrec import say_loading
    from calrec_recbole.cli.run_recbole import named_files
    from calrec_recbole.setting_files import parse_arguments

    settings = parse_arguments(arguments.settings)
    own = {"scores_file": str(arguments.scores.absolute()), "system": arguments.name or arguments.scores.stem}
    say_loading()
    from calrec_recbole.plugin.runner import run as run_model

    run_model("GivenScores", arguments.dataset, named_files(arguments.config_files), settings | own)
