"""`calrec recommend`: the top items after a history, from a finished CALRec run."""

import argparse
import json
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "recommend",
        help="top items after a history, with the generated texts behind them",
        description="Recommends items after a history, oldest item first, with a finished CALRec run.",
    )
    add = parser.add_argument
    add("--run", dest="run_dir", required=True, type=Path, metavar="DIR", help="folder of the run")
    add("--data_path", type=Path, metavar="DIR", help="prepared data sets (default: where the run had them)")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--history", metavar="ID,ID,...", help="item ids, oldest first")
    given.add_argument("--text", action="append", metavar="TEXT", help="an item as free text; once for each item")
    add("--top", type=int, default=10, metavar="K", help="how many items (default: 10)")
    add("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    add("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table or the JSON; raises ``CalrecError`` for an unknown id or a run of another model."""
    if arguments.top < 1:
        raise ConfigError(f"--top={arguments.top} must be at least 1")
    history = arguments.text or [item.strip() for item in arguments.history.split(",") if item.strip()]
    from calrec_recbole.cli.calrec import say_loading

    say_loading()
    from calrec_recbole.plugin.reload import load_run

    model = load_run(arguments.run_dir, arguments.data_path)[1]
    if not hasattr(model, "recommender"):
        raise ConfigError(
            f"--run={arguments.run_dir} is a run of {type(model).__name__}; recommend needs one of CALRec"
        )
    if model.reranker is not None:
        raise ConfigError(
            f"--run={arguments.run_dir} reranks the items of another model; recommend needs the CALRec run behind it, "
            "its pre_model_path"
        )
    found = model.recommender.recommend(history, arguments.top, arguments.seed, as_texts=bool(arguments.text))
    if arguments.json:
        print(json.dumps([vars(one) for one in found], indent=2, ensure_ascii=False))
    else:
        _print_table(found)


def _print_table(found: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("#", "item", "text", "score", "generated text behind it", "log-prob.", show_lines=True)
    for place, one in enumerate(found, 1):
        same = "the same text" if one.generated == one.text else one.generated
        cells = (str(place), one.item_id, one.text, f"{one.score:.4f}", same, f"{one.logprob:.2f}")
        table.add_row(*map(Text, cells))  # Text: a title may hold what rich reads as markup
    Console().print(table)
