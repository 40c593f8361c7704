"""`calrec evaluate`: scores or top-K lists of any system, ranked as every model here is."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError

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
MODEL = "GivenScores"
INSTEAD = {
    "scores_file": "give the file by --scores",
    "system": "give the name by --name",
    "model": f"calrec evaluate runs {MODEL} alone",
}


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

    settings, files = parse_arguments(arguments.settings), named_files(arguments.config_files)
    _check(settings, files)
    own = {"scores_file": str(arguments.scores.absolute()), "system": arguments.name or arguments.scores.stem}
    say_loading()
    from calrec_recbole.plugin.config import Config
    from calrec_recbole.plugin.exchange.given_scores import evaluated_before
    from calrec_recbole.plugin.runner import run as run_model
    from calrec_recbole.runs.results import print_result

    if done := evaluated_before(Config(MODEL, arguments.dataset, files, settings | own)):
        print_result(done)
        print("it was there already, of the same scores, data and settings")
        return
    run_model(MODEL, arguments.dataset, files, settings | own)


def _check(settings: Mapping[str, Any], files: Sequence[str]) -> None:
    """Raises ``ConfigError`` for a setting that an option of the command stands for."""
    from calrec_recbole.setting_files import config_file, read_settings

    given = [(f"--{key}={value}", key) for key, value in settings.items()]
    given += [(f"{key} in {file}", key) for file in files for key in read_settings(config_file(file))]
    for told, key in given:
        if key in INSTEAD:
            raise ConfigError(f"{told} would have no effect: {INSTEAD[key]}")
