"""`calrec push`: a finished run or the card of a data set to the Hugging Face hub, or one that speaks like it."""

import argparse
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError

__all__ = ["add_parser", "run"]

DEFAULT_BITS = 4


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "push",
        help="a finished run to a model hub: weights, card, ranks, settings; or a data set's card",
        description="Uploads a finished run, or the card of prepared data without the data. "
        "The hub is that of HF_ENDPOINT, the login that of `hf auth login`.",
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", dest="run_dir", type=Path, metavar="DIR", help="folder of the run")
    what.add_argument("--data", type=Path, metavar="DIR", help="folder of prepared data, such as dataset/Scientific")
    add("--repo", required=True, metavar="NAME/REPO", help="where it goes; made where it is missing")
    add("--licence", default="", metavar="ID", help="for the card, such as apache-2.0")
    add("--public", action="store_true", help="a new repository is public (default: private)")
    add("--delta", action="store_true", help="CALRec: the weights as their difference from the backbone")
    add("--bits", type=int, metavar="N", help=f"of a number of the difference: 2, 4 or 8 (default: {DEFAULT_BITS})")
    add("--replace", action="store_true", help="also where the repository holds files that no push wrote: they go")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the address; raises ``CalrecError`` where something is missing or refused."""
    from calrec_recbole.runs.hub.publish import publish, publish_card

    bits = _bits(arguments)
    named = {"licence": arguments.licence, "private": not arguments.public, "replace": arguments.replace}
    if arguments.data is not None:
        print(publish_card(arguments.data, arguments.repo, **named))
        return
    address, lost = publish(arguments.run_dir, arguments.repo, bits=bits, **named)
    if lost:
        print(
            f"difference in {bits} bits: {lost.of_difference:.2%} of it is lost, {lost.of_weights:.3%} of the weights"
        )
    print(address)


def _bits(arguments: argparse.Namespace) -> int:
    """Of a number of the difference; 0 where whole weights go."""
    from calrec_recbole.runs.hub.weight_delta import BITS

    given = {"--delta": arguments.delta, f"--bits={arguments.bits}": arguments.bits is not None}
    if arguments.data is not None:
        for option in (name for name, is_given in given.items() if is_given):
            raise ConfigError(f"{option} is about weights, --data has none: leave it out")
    if arguments.bits is None:
        return DEFAULT_BITS if arguments.delta else 0
    if arguments.bits not in BITS:
        raise ConfigError(f"--bits={arguments.bits} must be one of {', '.join(map(str, BITS))}")
    if not arguments.delta:
        raise ConfigError(f"--bits={arguments.bits} is of the difference: add --delta")
    return int(arguments.bits)
