"""`calrec stats`: Table 1 of a prepared data set, with the paper's row beside it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calrec_recbole.data.dataset_statistics import Statistics

__all__ = ["add_parser", "run"]

ROWS: dict[str, tuple[str, Callable[[Any], str]]] = {  # field -> its name in Table 1, its format
    "users": ("Users", "{:,}".format),
    "duplicates": ("Duplicate purchases before dedup, %", "{:.1f}".format),
    "items": ("Items", "{:,}".format),
    "purchases": ("Purchases", "{:,}".format),
    "items_per_user": ("Items/User", "{:.2f}".format),
    "purchases_per_item": ("Purchases/Item", "{:.2f}".format),
    "density": ("Density", "{:.2g}".format),
    "words_per_item": ("Words/Item", "{:.2f}".format),
    "word_vocabulary": ("Word vocabulary", "{:,}".format),
    "word_frequency": ("Average word frequency", "{:.1f}".format),
}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "stats", help="Table 1 of a prepared data set", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--dataset", metavar="NAME", required=True, help="for example Scientific")
    parser.add_argument("--data_path", metavar="DIR", type=Path, default=Path("dataset"), help="default: dataset")
    parser.set_defaults(run=run, parser=parser)


def _difference(ours: str, paper: str) -> str:
    """In % of the paper's number, both as printed: the paper's are rounded."""
    if ours == "unknown":
        return ""
    ratio = float(ours.replace(",", "")) / float(paper.replace(",", ""))
    return f"{100 * (ratio - 1):+.1f} %"


def _print_table(name: str, ours: "Statistics", paper: "Statistics | None") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Table 1, {name}", title_justify="left")
    table.add_column("")
    for column in ("ours", "paper", "difference") if paper else ("ours",):
        table.add_column(column, justify="right")
    for field, (label, text) in ROWS.items():
        values = [getattr(row, field) for row in (ours, paper) if row is not None]
        cells = ["unknown" if value is None else text(value) for value in values]
        table.add_row(label, *cells, *([_difference(*cells)] if paper else []))
    Console().print(table)


def run(arguments: argparse.Namespace) -> None:
    from calrec_recbole.data.categories import missing_dataset_message
    from calrec_recbole.data.dataset_statistics import statistics
    from calrec_recbole.errors import DataError
    from calrec_recbole.paper import paper_statistics

    folder = arguments.data_path / arguments.dataset
    if not (folder / f"{arguments.dataset}.inter").is_file():
        raise DataError(missing_dataset_message(arguments.dataset, arguments.data_path))
    _print_table(arguments.dataset, statistics(folder), paper_statistics().get(arguments.dataset))
