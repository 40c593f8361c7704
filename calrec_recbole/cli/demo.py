"""`calrec demo`: popularity, Last Item Repeater and CALRec on RecBole's bundled ml-100k, in one table."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

MODELS = ("Pop", "LIR", "CALRec")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "demo",
        help="Pop, LIR and CALRec on ml-100k, one table (a few minutes on 2 cores)",
        description="A small CALRec, trained from nothing on RecBole's bundled ml-100k, beside two baselines.",
    )
    parser.add_argument("--output-dir", default="runs", metavar="DIR", help="where the run folders go (default: runs)")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Runs the three models by the runner that `run_recbole` uses and prints their test metrics."""
    from calrec_recbole.runs.sigterm import Terminated

    try:
        results = _results(arguments.output_dir)
    except Terminated as end:
        print(f"\nterminated: {end}", file=sys.stderr)
        raise
    _print_table(results)


def _results(output_dir: str) -> dict[str, Any]:
    """Model -> its result and the seconds it took."""
    from calrec_recbole.plugin.runner import run as run_model

    results = {}
    for name in MODELS:
        started = time.monotonic()
        settings = {"output_dir": output_dir, "state": "WARNING"}
        files = ["demo"] if name == "CALRec" else []
        print(f"{name} ...", flush=True)
        results[name] = (run_model(name, "ml-100k", files, settings, show=False), time.monotonic() - started)
    return results


def _print_table(results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    first = next(iter(results.values()))[0].test
    columns = [name for name in first if "_opt" in name]
    table = Table("model", title="ml-100k, test, leave-one-out over all items: optimistic / pessimistic")
    for name in columns:
        table.add_column(name.replace("_opt", ""), justify="right")
    table.add_column("seconds", justify="right")
    for model, (result, seconds) in results.items():
        pairs = (f"{result.test[name]:.4f} / {result.test[name.replace('_opt', '_pes')]:.4f}" for name in columns)
        table.add_row(model, *pairs, f"{seconds:.0f}")
    console = Console()
    console.print(table)
    for result, _ in results.values():
        console.print(f"run folder: {Path(result.folder)}", highlight=False, soft_wrap=True)
