"""`calrec pull`: a run that `calrec push` uploaded, as a run folder."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "pull",
        help="a run from a model hub, as a folder",
        description="Downloads a run that calrec push uploaded; a difference of weights is added to its base.",
    )
    add = parser.add_argument
    add("--repo", required=True, metavar="NAME/REPO", help="where it lies")
    add("--out", required=True, type=Path, metavar="DIR", help="the run folder that is made")
    add("--revision", metavar="COMMIT", help="a commit, branch or tag (default: the newest)")
    add(
        "--base",
        default="",
        metavar="BACKBONE",
        help="of a difference: where its base lies here (default: as the run had it)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Makes the folder; raises ``CalrecError`` where something is missing or refused."""
    from calrec_recbole.runs.hub.publish import fetch

    fetch(arguments.repo, arguments.out, revision=arguments.revision, base=arguments.base)
    print(f"saved {arguments.out}: data sets are not in it; calrec recommend --run={arguments.out} --data_path=...")
