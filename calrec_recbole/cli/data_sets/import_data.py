"""`calrec import`: two tables of one's own -> RecBole's atomic files."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

DESCRIPTION = """Turns a table of events and a table of items (csv, tsv, JSON lines or Parquet) into OUT/NAME/NAME.inter
and NAME.item, which `run_recbole --dataset=NAME` reads. Times are recognised: numbers in s, ms, us or ns, or dates. A
row that cannot be used is an error that names it, or dropped and counted with --bad_rows=drop."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "import", help="your own tables -> RecBole's atomic files", description=DESCRIPTION, allow_abbrev=False
    )
    add = parser.add_argument
    add("--interactions", metavar="FILE", type=Path, required=True, help="one row an event: who, what, when")
    add("--user", metavar="COLUMN", required=True, help="of --interactions: who")
    add("--item", metavar="COLUMN", required=True, help="of --interactions, and of --items: what")
    add("--time", metavar="COLUMN", required=True, help="of --interactions: when")
    add("--rating", metavar="COLUMN", help="of --interactions: kept beside the events; no model here reads it")
    add("--items", metavar="FILE", type=Path, help="one row an item; without it every text is Unknown")
    add("--items_item", metavar="COLUMN", help="of --items, where its items are not called as in --interactions")
    for name in ("title", "category", "brand", "price"):
        add(f"--{name}", metavar="COLUMN", help=f"of --items (default: {name}, where it has such a column)")
    add("--name", required=True, help="name of the data set")
    add("--out", metavar="DIR", type=Path, default=Path("dataset"), help="where NAME/ is written (default: dataset)")
    add("--time_format", metavar="FORMAT", help="of dates, as in strptime: %%d/%%m/%%Y")
    add("--bad_rows", metavar="HOW", default="error", help="error (default) | drop")
    add("--min_user_events", metavar="N", type=int, default=1, help="users with fewer events are dropped (default: 1)")
    add("--no_header", action="store_true", help="the first row is data; columns are called 1, 2, ...")
    add("--no_quotes", action="store_true", help="quotation marks are characters as others are")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Checks files and columns, then reads, writes and prints what was made of them."""
    from calrec_recbole.data.own.importing import Columns, import_tables
    from calrec_recbole.data.own.table_files import TableFile

    as_text = not arguments.no_header, not arguments.no_quotes
    interactions = TableFile("--interactions", arguments.interactions, *as_text)
    items = TableFile("--items", arguments.items, *as_text) if arguments.items else None
    attributes = {name: getattr(arguments, name) for name in ("title", "category", "brand", "price")}
    columns = Columns(
        arguments.user, arguments.item, arguments.time, arguments.rating, arguments.items_item, attributes
    )
    summary = import_tables(
        interactions,
        items,
        columns,
        arguments.out,
        arguments.name,
        time_format=arguments.time_format,
        bad_rows=arguments.bad_rows,
        min_user_events=arguments.min_user_events,
    )
    for line in _said(summary, arguments):
        print(line)


def _said(summary: dict[str, Any], arguments: argparse.Namespace) -> list[str]:
    counts, folder = summary["counts"], arguments.out / arguments.name
    lines = [f"times: {summary['settings']['times']}, {' to '.join(summary['span'])}"]
    for file, reasons in summary["bad_rows"].items():
        lines.append(f"dropped of {file}: " + ", ".join(f"{count:,} {why}" for why, count in reasons.items()))
    lines.append(f"{folder}: {counts['users']:,} users, {counts['items']:,} items, {counts['events']:,} events")
    missing = ", ".join(f"{name} {count:,}" for name, count in summary["missing"].items() if count)
    lines.append(f"items that lack {missing or 'nothing'}; without a row: {counts['items_without_row']:,}")
    where = "" if arguments.out == Path("dataset") else f" --data_path={arguments.out}"
    lines.append(f"next: run_recbole --model=LIR --dataset={arguments.name}{where}")
    return lines
