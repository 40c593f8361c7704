"""`calrec demo`: popularity, Last Item Repeater and CALRec on RecBole's bundled ml-100k, in one table."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

CASES = ("_opt", "_exp", "_pes")  # ties won, broken at random, lost
MODELS = ("Pop", "LIR", "CALRec")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "demo",
        help="Pop, LIR and CALRec on ml-100k, one table (a few minutes on 2 cores)",
        description="A small CALRec, trained from nothing on RecBole's bundled ml-100k, beside two baselines.",
    )
    parser.add_argument("--out", default="runs", metavar="DIR", help="where the run folders go (default: runs)")
    parser.add_argument("--output_dir", dest="out", default="runs", help=argparse.SUPPRESS)  # of old
    goes_on = "the same command runs Pop and LIR anew and goes on with CALRec where it stood"
    parser.set_defaults(run=run, parser=parser, goes_on=goes_on)


def run(arguments: argparse.Namespace) -> None:
    """Runs the three models by the runner that `run_recbole` uses; prints the test metrics of each, then a table."""
    from calrec_recbole.cli.calrec import say_loading
    from calrec_recbole.runs.sigterm import Terminated

    say_loading()
    try:
        results = _results(arguments.out)
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
        result = run_model(name, "ml-100k", files, settings, show=False)
        results[name] = (result, time.monotonic() - started)
        print(f"{name}: {_line(result.test)}, {results[name][1]:.0f} s", flush=True)
    return results


def _line(test: dict[str, float]) -> str:
    """``ndcg@10 0.5000 / 0.3750 / 0.2500, ...``: each metric, optimistic / expected / pessimistic."""
    return ", ".join(f"{name.replace('_opt', '')} {_cell(test, name)}" for name in test if "_opt" in name)


def _cell(test: dict[str, float], name: str) -> str:
    return " / ".join(f"{test[name.replace('_opt', case)]:.4f}" for case in CASES)


def _print_table(results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    first = next(iter(results.values()))[0].test
    columns = [name for name in first if "_opt" in name]
    table = Table("model", "ties", title="ml-100k, test, leave-one-out over all items")
    for name in columns:
        table.add_column(name.replace("_opt", ""), justify="right")
    table.add_column("seconds", justify="right")
    for model, (result, seconds) in results.items():
        told = {"won": (model, f"{seconds:.0f}"), "at random": ("", ""), "lost": ("", "")}
        for (ties, (label, spent)), case in zip(told.items(), CASES, strict=True):
            table.add_row(label, ties, *(f"{result.test[name.replace('_opt', case)]:.4f}" for name in columns), spent)
        table.add_section()
    console = Console()
    console.print(table)
    for result, _ in results.values():
        console.print(f"run folder: {Path(result.folder)}", highlight=False, soft_wrap=True)
