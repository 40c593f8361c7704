"""`calrec recommend`: the top items of a finished run, after a history or of the users of its test."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrec_recbole.errors import ConfigError, must_be_one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_parser", "run"]

DESCRIPTION = """Recommends items with a finished run of any model: after a history of item ids, oldest first, or to
users of its test, after the history that they had there. A CALRec run also takes items as free texts, and tells the
generated text behind each item. With --out and no user, the lists of all test users are written; such a list has all
items that tie at its end, so it may be longer than --top."""

MATRIX = ".npy"
TOP = 10


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "recommend",
        help="top items of a run: after a history, of users, or of all test users into a file",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", dest="run_dir", required=True, type=Path, metavar="DIR", help="folder of the run")
    add("--data_path", type=Path, metavar="DIR", help="prepared data sets (default: where the run had them)")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--history", metavar="ID,ID,...", help="item ids, oldest first")
    given.add_argument(
        "--text", action="append", metavar="TEXT", help="CALRec: an item as free text; once for each item"
    )
    given.add_argument("--user", metavar="ID,ID,...", help="users of the test")
    add("--out", type=Path, metavar="FILE", help="users' lists: .parquet, .csv or .trec; .npy = scores of all items")
    add("--top", type=int, metavar="K", help=f"how many items (default: {TOP})")
    add("--seed", type=int, default=0, help="CALRec: seed of the samples (default: 0)")
    add("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table or the JSON, or writes the file; raises ``CalrecError`` for an unknown id, or where the model
    cannot take what is given.
    """
    _check(arguments)
    from calrec_recbole.cli.calrec import say_loading

    say_loading()
    from calrec_recbole.plugin.reload import load_run

    loaded = load_run(arguments.run_dir, arguments.data_path)
    if arguments.out and arguments.out.suffix == MATRIX:
        _write_matrix(loaded, arguments.out)
    elif arguments.user or arguments.out:
        _of_users(loaded, arguments)
    elif hasattr(loaded[1], "recommender"):
        _by_texts(loaded[1], arguments)
    else:
        _after_history(loaded, arguments)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.top is not None and arguments.top < 1:
        raise ConfigError(f"--top={arguments.top} must be at least 1")
    for name in ("history", "user"):
        given = getattr(arguments, name)
        if given is not None and not _ids(given):
            raise ConfigError(f"--{name}={given} names none: give ids, a comma between two")
    if not (arguments.history or arguments.text or arguments.user or arguments.out):
        raise ConfigError("give --history=ID,ID,... or --user=ID, or --out=FILE for all test users")
    if arguments.out and (arguments.history or arguments.text):
        raise ConfigError("--out takes the lists of users: leave --history and --text out")
    if arguments.out:
        must_be_one_of("the ending of --out", arguments.out.suffix, (".parquet", ".csv", ".trec", MATRIX))
        if arguments.json:
            raise ConfigError(f"--json prints, and --out={arguments.out} writes: give one of them")
        if arguments.out.suffix == MATRIX and (arguments.user or arguments.top):
            raise ConfigError(f"--out={arguments.out} holds all test users and items: leave --user and --top out")
    arguments.top = arguments.top or TOP


def _ids(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def _write_matrix(loaded: Any, file: Path) -> None:
    import numpy as np

    from calrec_recbole.durable_files import replacing_file
    from calrec_recbole.plugin.exchange.run_lists import score_matrix

    scores = score_matrix(loaded)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, scores, allow_pickle=False)
    print(f"{file}: {scores.shape[0]:,} test users by {scores.shape[1]:,} items")


def _of_users(loaded: Any, arguments: argparse.Namespace) -> None:
    from calrec_recbole.evaluation.score_files import write_scores
    from calrec_recbole.plugin.exchange.run_lists import WIDEST_TIE, of_users

    found = of_users(loaded, arguments.top, _ids(arguments.user), WIDEST_TIE if arguments.out else 0)
    if not arguments.out:
        _print(loaded, found, arguments.json)
        return
    write_scores(arguments.out, found, loaded[1].__class__.__name__)
    print(f"{arguments.out}: {found['user_id'].nunique():,} users, {len(found):,} rows")
    if cut := found.loc[found["left_out"] > 0, "user_id"].nunique():
        print(f"of {cut:,} users more than {WIDEST_TIE:,} items tie at place {arguments.top}: their ties are cut there")


def _after_history(loaded: Any, arguments: argparse.Namespace) -> None:
    from calrec_recbole.plugin.exchange.run_lists import after_history

    if arguments.text:
        raise ConfigError(f"--run={arguments.run_dir} is no CALRec run, which alone reads free texts: give --history")
    found = after_history(loaded, _ids(arguments.history), arguments.top)
    _print(loaded, found.drop(columns="user_id"), arguments.json)


def _print(loaded: Any, found: "pd.DataFrame", as_json: bool) -> None:
    """With the items' texts, where there are any."""
    prepared, found = loaded[2].prepared, found.drop(columns="left_out")
    if not prepared.item_problem:
        texts = dict(zip(prepared.items[1:], prepared.catalogue.texts, strict=True))
        found = found.assign(text=found["item_id"].map(texts))
    if as_json:
        print(found.to_json(orient="records", indent=2, force_ascii=False))
        return
    _print_rows(
        [str(name) for name in found], ([_cell(value) for value in row] for row in found.itertuples(index=False))
    )


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _by_texts(model: Any, arguments: argparse.Namespace) -> None:
    if model.reranker is not None:
        raise ConfigError(
            f"--run={arguments.run_dir} reranks the items of another model: give --user, or the CALRec run behind it, "
            "its pre_model_path"
        )
    history = arguments.text or _ids(arguments.history)
    found = model.recommender.recommend(history, arguments.top, arguments.seed, as_texts=bool(arguments.text))
    if arguments.json:
        print(json.dumps([vars(one) for one in found], indent=2, ensure_ascii=False))
        return
    rows = (
        (
            *(str(place), one.item_id, one.text, f"{one.score:.4f}"),
            *("the same text" if one.generated == one.text else one.generated, f"{one.logprob:.2f}"),
        )
        for place, one in enumerate(found, 1)
    )
    _print_rows(["#", "item", "text", "score", "generated text behind it", "log-prob."], rows)


def _print_rows(head: list[str], rows: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, show_lines=True)
    for cells in rows:
        table.add_row(*map(Text, cells))  # Text: a title may hold what rich reads as markup
    Console().print(table)
